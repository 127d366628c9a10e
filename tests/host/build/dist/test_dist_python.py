"""The wheel: it has the device code as it is, and its command works where there is no checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from linkpulse_tools import cli, paths
from linkpulse_tools.build.dist import python as dist_python
from linkpulse_tools.build.dist.files import Unavailable
from linkpulse_tools.defender.schema import validate

ON_DEVICE = "linkpulse_tools/on_device/"
DEVICE = {"lib": (".py",), "firmware": (".py", ".json"), "boards": (".json",)}
VENDOR = {"vendor/umqtt/simple.py", "vendor/umqtt.sha256", "vendor/copyright"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the source archive."""
    try:
        return dist_python.build(tmp_path_factory.mktemp("dist"))
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def installed(built, runtime, tmp_path_factory):
    """run(*arguments) -> what the installed command does in an empty folder of a home where nothing was fetched.

    Its environment has nothing but the wheel and, behind it, the packages of this one.
    """
    home = tmp_path_factory.mktemp("home")
    # The wheel has all that the agent needs: nothing is fetched, and there is no pip to fetch it with.
    environment, empty = home / "venv", home / "empty"
    empty.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", built[0]], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    without = "import sys; sys.modules['pip'] = None\n"
    (packages / "behind.pth").write_text(sysconfig.get_path("purelib") + "\n" + without)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "XDG_"))}
    env |= {"HOME": str(home), "LINKPULSE_MICROPYTHON": runtime.path}

    def run(*arguments, program="linkpulse"):
        command = [environment / "bin" / program, *arguments]
        return subprocess.run(command, cwd=empty, env=env, capture_output=True, text=True, timeout=120)

    yield run
    assert not list(empty.iterdir()), "a command wrote into the folder that it was started in"


def wheel_files(wheel):
    """The device code in a wheel: bytes by its name relative to the root of a checkout."""
    with zipfile.ZipFile(wheel) as archive:
        inside = [name for name in archive.namelist() if name.startswith(ON_DEVICE)]
        return {name.removeprefix(ON_DEVICE): archive.read(name) for name in inside}


def checkout_files():
    """The same in the checkout; the C code in firmware/ has folders of its own and stays out."""
    found = {}
    for folder, suffixes in DEVICE.items():
        for path in (paths.ROOT / folder).rglob("*"):
            if path.suffix in suffixes and "lwipstat" not in path.parts:
                found[path.relative_to(paths.ROOT).as_posix()] = path.read_bytes()
    return found


def test_device_code_in_the_wheel_is_that_of_the_checkout(built):
    found = wheel_files(built[0])
    assert {name for name in found if name.startswith("vendor/")} == VENDOR
    assert {name: data for name, data in found.items() if name not in VENDOR} == checkout_files()


def test_tools_in_the_wheel_are_those_of_the_checkout(built):
    tools = paths.ROOT / "tools"
    files = (path for path in (tools / "linkpulse_tools").rglob("*") if path.is_file() and path.suffix != ".pyc")
    with zipfile.ZipFile(built[0]) as archive:
        inside = {name for name in archive.namelist() if name.startswith("linkpulse_tools/")}
    inside -= {name for name in inside if name.startswith(ON_DEVICE)}
    assert inside == {path.relative_to(tools).as_posix() for path in files}


def test_nothing_of_an_earlier_build_comes_back(tmp_path):
    project = tmp_path / "checkout"
    dist_python.copy(paths.ROOT, project)
    old = project / "build" / "lib" / ON_DEVICE / "lib" / "linkpulse" / "gone.py"
    old.parent.mkdir(parents=True)
    old.write_text("")
    try:
        wheel = dist_python.run_backend("build_wheel", project, tmp_path, "*.whl")
    except Unavailable as reason:
        pytest.skip(str(reason))
    assert set(wheel_files(wheel)) - VENDOR == set(checkout_files())


def test_the_same_bytes_again(built, tmp_path):
    assert [path.read_bytes() for path in dist_python.build(tmp_path)] == [path.read_bytes() for path in built]


def test_version(installed):
    assert installed("--version").stdout.split()[-1] in Path(paths.ROOT, "pyproject.toml").read_text()


def test_every_command_can_be_loaded(installed):
    code = (
        "import click, sys\nfrom linkpulse_tools import cli\n"
        "context = click.Context(cli.commands)\n"
        "for name in cli.commands.list_commands(context):\n"
        "    cli.commands.get_command(context, name).get_help(context)\n    print(name)\n"
        "print(cli.__file__)\n"
    )
    done = installed("-c", code, program="python")
    *names, where = done.stdout.split()
    assert done.returncode == 0, done.stderr
    assert set(cli.MODULES) < set(names)
    assert "/venv/" in where


def test_report_without_a_checkout(installed):
    done = installed("report")
    assert done.returncode == 0, done.stderr
    assert not validate(done.stdout.encode(), "json").problems


def test_run_without_a_checkout(installed):
    done = installed("run", "--count", "1", "--interval", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "accepted"
