"""Finds an agent that runs on this machine with the same settings, because its report ids must stay the highest."""

import json
import os
from pathlib import Path


def agent(settings: dict, proc: Path = Path("/proc")) -> int | None:
    """Its process id, or None. An agent whose settings cannot be read counts, too: most machines have only one."""
    for folder in proc.glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        except OSError:  # it has ended
            continue
        names = [os.path.basename(word) for word in words]
        if "main.py" not in names or not any("micropython" in name for name in names[: names.index("main.py")]):
            continue
        path = next(iter(words[names.index("main.py") + 1 :]), "settings.json")
        if _same(_settings(folder, path), settings):
            return int(folder.name)
    return None


def _settings(folder: Path, path: str) -> dict | None:
    try:
        # The path as that process sees it: from its folder, or below its root.
        return json.loads((folder / "root" / path[1:] if path[0] == "/" else folder / "cwd" / path).read_bytes())
    except (OSError, ValueError):
        return None


def _same(found: dict | None, settings: dict) -> bool:
    if found is None:
        return True
    client = found.get("client_id") or found.get("thing")
    there = client, found.get("host"), found.get("port", 8883)
    return there == (settings["client_id"], settings["host"], settings["port"])
