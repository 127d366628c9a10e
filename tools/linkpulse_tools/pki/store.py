"""The files of provisioning below one root. A file is written completely, and only if it changes."""

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from linkpulse_tools import files


class Store:
    """Files by name, relative to `root`.

    A rehearsal keeps in memory what it would write or remove, and reads it from there. Methods raise OSError for what
    cannot be read or written.
    """

    def __init__(self, root: Path, rehearsal: bool = False):
        self.root, self.rehearsal = root, rehearsal
        self._pending: dict[str, bytes | None] = {}

    def path(self, name: str) -> Path:
        return self.root / name

    def read(self, name: str) -> bytes | None:
        """The file's bytes, or None if there is no such file."""
        if name in self._pending:
            return self._pending[name]
        try:
            return self.path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, data: bytes, mode: int | None = None) -> str:
        """Make sure that the file contains `data` and has the mode; None keeps the mode, or uses 0644.

        Returns "there", "made" or "changed".
        """
        old = self.read(name)
        now = self._mode(name)
        wanted = mode if mode is not None else now or 0o644
        if old == data and (now is None or now == wanted):
            return "there"
        if self.rehearsal:
            self._pending[name] = data
        else:
            files.write(self.path(name), data, wanted)
        return "made" if old is None else "changed"

    def remove(self, name: str) -> bool:
        """Remove a file. Returns whether it existed."""
        if self.read(name) is None:
            return False
        if self.rehearsal:
            self._pending[name] = None
        else:
            self.path(name).unlink()
        return True

    def names(self, folder: str) -> list[str]:
        """The names in a folder. In a rehearsal, as they would be after it."""
        path = self.path(folder)
        found = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
        for name, data in self._pending.items():
            above, _, last = name.rpartition("/")
            if above == folder:
                found = found - {last} if data is None else found | {last}
        return sorted(found)

    def folders(self) -> list[str]:
        """The folders below the root. In a rehearsal, as they would be after it."""
        found = {entry.name for entry in self.root.iterdir() if entry.is_dir()} if self.root.is_dir() else set()
        return sorted(found | {name.partition("/")[0] for name in self._pending})

    def remove_folder(self, folder: str) -> None:
        """Remove an empty folder."""
        if not self.rehearsal:
            self.path(folder).rmdir()

    @contextlib.contextmanager
    def lock(self, make: bool = True):
        """Keeps other runs waiting, because several things may be provisioned at once. A rehearsal needs no lock.

        `make` says whether to create the root if it does not exist.
        """
        if self.rehearsal or not (make or self.root.is_dir()):
            yield
            return
        new = not self.root.exists()
        self.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        except BaseException:
            if new and not any(self.root.iterdir()):
                self.root.rmdir()  # nothing came of it
            raise
        finally:
            os.close(handle)

    def _mode(self, name: str) -> int | None:
        """The mode of the file on disk, or None if it does not exist or exists in a rehearsal only."""
        path = self.path(name)
        return None if name in self._pending or not path.exists() else stat.S_IMODE(path.stat().st_mode)
