"""The tools with the device code in them, as a Python wheel and as a source archive."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from linkpulse_tools import files, paths
from linkpulse_tools.build import umqtt
from linkpulse_tools.build.dist import files as dist_files
from linkpulse_tools.build.dist.files import Member, Unavailable
from linkpulse_tools.errors import ToolError

# Pinned within the range of pyproject.toml, because another version may write other bytes.
BACKEND = (
    "hatchling==1.33.0",
    "packaging==26.3",
    "pathspec==1.1.1",
    "pluggy==1.7.0",
    "tomlkit==0.15.2",
    "trove-classifiers==2026.9.21.13",
)
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "tools/linkpulse_tools", "lib", "firmware", "boards")
HOOK = "import sys; from hatchling import build; getattr(build, sys.argv[1])(sys.argv[2])"


def build(out: Path) -> list[Path]:
    """Write the source archive, from a copy of the checkout, and the wheel, from that archive."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copy(paths.ROOT, folder / "checkout")
        made = run_backend("build_sdist", folder / "checkout", folder, "*.tar.gz")
        members = _members(made)
        archive = dist_files.tar_gz(out / made.name, members)
        for name, member in members.items():
            files.write(folder / name, member.data, member.mode)
        wheel = run_backend("build_wheel", folder / made.name.removesuffix(".tar.gz"), folder, "*.whl")
        return [Path(shutil.copy(wheel, out)), archive]


def copy(root: Path, target: Path) -> None:
    """The files of a checkout that the package is made of."""
    target.mkdir()
    for name in SOURCES:
        source, copied = root / name, target / name
        if source.is_dir():
            shutil.copytree(source, copied, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, copied)
    vendor = target / "build" / "vendor"
    for path in (umqtt.ensure(paths.VENDOR), paths.VENDOR / umqtt.STAMP):
        files.write(vendor / path.relative_to(paths.VENDOR), path.read_bytes())
    # The licences of what is not linkpulse's own are in there.
    files.write(vendor / "copyright", (root / "packaging" / "debian" / "copyright").read_bytes())


def run_backend(hook: str, project: Path, out: Path, pattern: str) -> Path:
    """Run one of hatchling's hooks for a project. Returns the one file in `out` that matches the pattern."""
    env = {**dist_files.environment(), "PYTHONPATH": str(backend())}
    command = [sys.executable, "-c", HOOK, hook, str(out)]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, umask=0o022)
    if done.returncode:
        raise ToolError(f"hatchling: {done.stderr.strip()}")
    return next(out.glob(pattern))


def backend() -> Path:
    """The folder with hatchling, which pip downloads once. Unavailable if it cannot."""
    name = BACKEND[0]
    folder = paths.BUILD / "backend" / name.replace("==", "-")
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        part = Path(temporary) / "packages"
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
        done = subprocess.run([*command, "--target", str(part), *BACKEND], capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(f"pip cannot get {name}: {done.stderr.strip()}")
        part.rename(folder)
    return folder


def _members(archive: Path) -> dict[str, Member]:
    with tarfile.open(archive) as tar:
        return {info.name: Member(tar.extractfile(info).read()) for info in tar if info.isfile()}
