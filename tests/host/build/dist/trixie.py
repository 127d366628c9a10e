"""A small Debian 13 (trixie), unpacked from its packages, in which what `make dist` builds is installed and run.

It is made once, in build/trixie, from the archive that this machine's apt already uses; a test works in a copy.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import firmware

PACKAGES = (
    "acl",
    "bash",
    "coreutils",
    "dash",
    "diffutils",
    "dpkg",
    "init-system-helpers",
    "libc-bin",
    "micropython",
    "mount",
    "perl-base",
    "systemd",
)
FOLDER = paths.BUILD / "trixie"
USELESS = ("doc", "info", "locale", "man")
USER = 12345  # of no package, for a service that systemd does not start
BOOT_LIMIT = 30
START = Path(__file__).with_name("boot.sh")


def base() -> Path:
    """The unpacked root; skips where it can be neither found nor made."""
    paths.BUILD.mkdir(exist_ok=True)
    with (paths.BUILD / "trixie.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return _made()


def _made() -> Path:
    root, stamp = FOLDER / "root", FOLDER / "packages"
    wanted = " ".join(PACKAGES)
    if stamp.exists() and stamp.read_text() == wanted:
        return root
    build = firmware.script("build")
    shutil.rmtree(FOLDER, ignore_errors=True)
    root.mkdir(parents=True)
    (FOLDER / "status").touch()  # nothing is installed: apt then takes all that the packages depend on
    try:
        apt = [*build.apt(FOLDER, "deb"), f"-oDir::State::status={FOLDER}/status", "-oDebug::NoLocking=1"]
        build.run(*apt, "install", "--no-install-recommends", "--download-only", "-y", *PACKAGES)
        for package in sorted((FOLDER / "cache/archives").glob("*.deb")):
            build.run("dpkg-deb", "--extract", package, root)
    except build.BuildError as reason:
        pytest.skip(f"Debian's packages cannot be had here: {reason}")
    for name in USELESS:
        shutil.rmtree(root / "usr/share" / name)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "etc/machine-id").touch()
    (root / "var/lib/dpkg/status").touch()
    stamp.write_text(wanted)
    return root


def through_its_loader(folder: Path) -> Path:
    """A program in `folder` that runs trixie's micropython outside its root, with its own C library."""
    root = base()
    loader = next(iter(sorted(root.glob("usr/lib*/ld-linux*"))))
    libraries = next(iter(sorted(root.glob("usr/lib/*-linux-gnu*"))))
    script = folder / "micropython"
    script.write_text(f'#!/bin/sh\nexec {loader} --library-path {libraries} {root}/usr/bin/micropython "$@"\n')
    script.chmod(0o755)
    return script


def may_mount() -> bool:
    """Whether this machine lets the tests make mounts and namespaces of their own."""
    if os.geteuid() or not shutil.which("unshare"):
        return False
    command = ["unshare", "--mount", "--pid", "--fork", "--cgroup", "--ipc", "--uts", "--mount-proc", "true"]
    return not subprocess.run(command, capture_output=True).returncode


@contextlib.contextmanager
def copied(folder: Path):
    """A copy of the root in `folder`, to be changed."""
    root = folder / "root"
    subprocess.run(["cp", "-a", "--reflink=auto", base(), root], check=True)
    yield root
    shutil.rmtree(root)


@contextlib.contextmanager
def installed(package: Path, folder: Path):
    """A copy of the root in `folder` with `package` in it, put there by trixie's own dpkg; needs may_mount()."""
    with copied(folder) as root:
        shutil.copy(package, root / "tmp")
        done = dpkg(root, "--install", f"/tmp/{package.name}")
        assert done.returncode == 0, done.stdout + done.stderr
        yield root


def dpkg(root: Path, *arguments) -> subprocess.CompletedProcess:
    """Run the root's own dpkg in it."""
    environment = {"PATH": "/usr/sbin:/usr/bin", "DEBIAN_FRONTEND": "noninteractive"}
    command = ["chroot", root, "/usr/bin/dpkg", *arguments]
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)


class Booted:
    """systemd as the first process of a root, in namespaces of its own but on this machine's network; a context."""

    def __init__(self, root: Path, log: Path):
        self._root, self._log = root, log

    def __enter__(self):
        namespaces = ("--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup")
        command = ["unshare", *namespaces, "sh", str(START), str(self._root)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + BOOT_LIMIT
        while self._ended() or self.run("systemctl", "is-system-running", "--wait").stdout.strip() not in (
            "running",
            "degraded",  # a unit of the system failed, such as one that wants a kernel module
        ):
            if self._ended() or time.monotonic() > end:
                self.__exit__()
                pytest.skip(f"systemd does not run in a namespace here: {self._log.read_text()[-500:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def run(self, *command) -> subprocess.CompletedProcess:
        """Run a command inside; an exit code other than 0 when there is nothing to enter yet."""
        first = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        enter = ["nsenter", "--target", *first[:1], "--mount", "--pid", "--uts", "--ipc", "--cgroup"]
        return subprocess.run([*enter, *command], env={"PATH": "/usr/sbin:/usr/bin"}, capture_output=True, text=True)

    def _ended(self) -> bool:
        return self._process.poll() is not None
