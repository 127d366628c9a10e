"""The compiled device code, one archive for each architecture. Unpacked on a web server, mip installs from it.

Only the sources that ask for it are native code (mpy.py). An archive's name says which .mpy files it contains.
"""

from pathlib import Path

from linkpulse_tools import paths
from linkpulse_tools.build import mpy, packages
from linkpulse_tools.build.dist import files as dist_files
from linkpulse_tools.build.dist.files import Member

# None is bytecode, which every interpreter takes. The others are mpy-cross's names.
ARCHITECTURES = (None, "armv6m", "armv7m", "armv7emsp", "xtensawin", "rv32imc", "x64")


def build(out: Path) -> list[Path]:
    """Write one archive for each architecture: a folder of its name with the compiled tree and the package files."""
    return [_archive(out, arch) for arch in ARCHITECTURES]


def _archive(out: Path, arch: str | None) -> Path:
    tree = mpy.for_interpreter(paths.LIB, paths.MPY, arch)
    compiled = sorted(tree.rglob("*.mpy"))
    members = {path.relative_to(tree).as_posix(): path.read_bytes() for path in compiled}
    members["LICENSE"] = (paths.ROOT / "LICENSE").read_bytes()
    for name, package in packages.all_of().items():
        members[name] = packages.text(package, folder="", suffix=".mpy").encode()
    folder = f"linkpulse-{packages.version()}-mpy{_format(compiled)}-{arch or 'bytecode'}"
    return dist_files.zip_file(
        out / f"{folder}.zip", {f"{folder}/{name}": Member(data) for name, data in members.items()}
    )


def _format(compiled: list[Path]) -> str:
    """The .mpy version that all of the files need: "6", or "6.3" with the sub-version of native code."""
    # Byte 1 is the version. The two lowest bits of byte 2 are the sub-version, which only native code has.
    heads = [path.read_bytes()[1:3] for path in compiled]
    native = {head[1] & 3 for head in heads if head[1] >> 2}
    return ".".join(map(str, (heads[0][0], *native)))
