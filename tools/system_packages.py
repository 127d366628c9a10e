"""Installs the system packages that some tests need. If that is not possible, it says why, and does not fail.

A test without its program is skipped with a reason. If CI is set, it fails instead.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = {
    "busybox": ("busybox",),
    "lintian": ("lintian",),
    "mips-linux-gnu-gcc": ("gcc-mips-linux-gnu", "libc6-dev-mips-cross"),
    "mosquitto": ("mosquitto",),
    "qemu-mips": ("qemu-user",),
    "ss": ("iproute2",),
}
COMPILER = ("gcc", "libc6-dev")  # for the C module's test on this machine
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
BUILD = Path(__file__).resolve().parents[1] / "boards" / "qemu-mps2" / "build.py"


def missing() -> list[str]:
    """The packages whose program is not on this machine, including those for the board in QEMU."""
    packages = [name for program, names in NEEDED.items() if not shutil.which(program, path=PATH) for name in names]
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        packages += COMPILER
    spec = importlib.util.spec_from_file_location("build", BUILD)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    return packages + build.missing()


def install(packages: list[str]) -> str:
    """Install with apt; '' when that worked, otherwise the reason."""
    if os.geteuid() != 0:
        return "not root"
    if not shutil.which("apt-get"):
        return "no apt-get"
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    command = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages]
    for step in (command, ["apt-get", "-qq", "update"], command):
        done = subprocess.run(step, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if step is command and done.returncode == 0:
            return ""
    return (done.stderr.strip().splitlines() or ["apt-get failed"])[-1]


def main() -> None:
    """Installs the system packages that the tests lack, or says why it cannot."""
    packages = missing()
    if packages:
        print(f"installing {', '.join(packages)}", file=sys.stderr)
        reason = install(packages)
        if reason:
            print(f"could not install {', '.join(packages)}: {reason}; the tests that need them skip", file=sys.stderr)


if __name__ == "__main__":
    main()
