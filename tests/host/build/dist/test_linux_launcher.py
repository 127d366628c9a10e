"""linkpulse-agent, the launcher of all Linux packages, in Debian's shell and in OpenWrt's; what it starts."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from linkpulse_tools import __version__, paths
from linkpulse_tools.build.dist import linux as dist_linux

SHELLS = {"sh": ["sh"], "busybox": ["busybox", "ash"]}
# An interpreter of this name and version, as far as the launcher's check can tell.
PRETENDER = """#!{python}
import sys, types
sys.implementation = types.SimpleNamespace(name="{name}", version={version})
sys.modules.update(dict.fromkeys({modules}, types))
if sys.argv[1] == "-c":
    exec(sys.argv[2])
else:
    import os
    print("ran", os.environ["MICROPYPATH"], *sys.argv[1:])
"""


@pytest.fixture
def tree(tmp_path):
    """The packaged tree, under a prefix whose name has a space."""
    prefix = tmp_path / "a prefix"
    for name, member in dist_linux.tree().items():
        path = prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(member.data)
        path.chmod(member.mode)
    return prefix


@pytest.fixture(params=SHELLS)
def launch(request, tree, tmp_path):
    """launch(*arguments, path="", **environment) -> the finished launcher; `path` leads its PATH."""
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("dirname", "readlink"):
        (tools / name).symlink_to(shutil.which(name))
    shell = [shutil.which(SHELLS[request.param][0]), *SHELLS[request.param][1:]]

    def run(*arguments, path="", **environment):
        environment["PATH"] = f"{path}:{tools}"
        command = [*shell, tree / dist_linux.LAUNCHER, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)

    return run


def pretend(folder, name="micropython", version=(1, 25, 0), modules=("tls",)):
    """A program micropython in `folder`."""
    folder.mkdir(exist_ok=True)
    program = folder / "micropython"
    program.write_text(PRETENDER.format(python=sys.executable, name=name, version=version, modules=list(modules)))
    program.chmod(0o755)
    return program


def test_settings_are_those_of_debian_unless_told_otherwise(launch, tree, tmp_path):
    pretend(tmp_path / "bin")
    lib = tree / dist_linux.LIB
    for arguments, settings in (((), "/etc/linkpulse/settings.json"), (("a b.json",), "a b.json")):
        done = launch(*arguments, path=tmp_path / "bin")
        assert done.stdout == f"ran {lib}:.frozen -X heapsize=512K {lib}/main.py {settings}\n", done.stderr


@pytest.mark.parametrize(
    "given,reason",
    [
        ({"version": (1, 23, 0)}, "it is version 1.23, needed is 1.24 or newer"),
        ({"modules": ()}, "it is built without TLS"),
        ({"name": "cpython", "version": (3, 11, 7)}, "it is cpython, not MicroPython"),
    ],
)
def test_interpreter_that_cannot_run_the_agent_is_named_with_the_reason(launch, tmp_path, given, reason):
    program = pretend(tmp_path / "bin", **given)
    done = launch(path=tmp_path / "bin")
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith(f"linkpulse-agent: {program}: {reason}. Install MicroPython 1.24 or newer with TLS")


def test_interpreter_that_is_asked_for_is_the_only_one_tried(launch, tmp_path):
    pretend(tmp_path / "bin")
    old = pretend(tmp_path / "other", version=(1, 19, 1))
    done = launch(path=tmp_path / "bin", LINKPULSE_MICROPYTHON=str(old))
    assert done.returncode == 69
    assert f"{old}: it is version 1.19" in done.stderr


def test_interpreter_that_does_not_start_is_named_with_what_it_said(launch, tmp_path):
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho no such library >&2\nexit 127\n")
    program.chmod(0o755)
    done = launch(LINKPULSE_MICROPYTHON=str(program))
    assert done.returncode == 69
    assert f"{program}: it does not run: no such library. Install" in done.stderr


def test_without_any_interpreter_it_says_what_to_install(launch):
    if os.path.exists("/opt/linkpulse/bin/micropython"):
        pytest.skip("this machine has one in /opt/linkpulse")
    done = launch()
    assert done.returncode == 69
    assert done.stderr.startswith("linkpulse-agent: no MicroPython is installed. Install MicroPython 1.24 or newer")


@pytest.mark.parametrize("arguments", [("-h",), ("a", "b"), ("--check", "a", "b"), ("a", "--check")])
def test_wrong_usage_is_exit_code_64(launch, arguments):
    done = launch(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "linkpulse-agent: usage: linkpulse-agent [--check] [SETTINGS], or --help, or --version\n"


def test_help_and_version_need_no_interpreter(launch):
    done = launch("--help", LINKPULSE_MICROPYTHON="/nowhere")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: linkpulse-agent") and "/etc/linkpulse/settings.json" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    done = launch("--version", LINKPULSE_MICROPYTHON="/nowhere")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"linkpulse-agent {__version__}\n", "")


def test_settings_that_cannot_work_are_one_line_and_exit_code_78(launch, micropython, tmp_path):
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"thing": "gateway-7", "hots": "broker.example.org"}))
    done = launch(settings, LINKPULSE_MICROPYTHON=micropython)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(
        "linkpulse-agent: in the settings: hots: there is no such setting, did you mean host?"
    )
    assert done.stderr.count("\n") == 1


def test_private_copy_is_the_services_own_and_new_each_time(tmp_path):
    given, runtime = tmp_path / "credentials", tmp_path / "run"
    given.mkdir()
    (runtime / "etc").mkdir(parents=True)
    (runtime / "etc/old.der").write_text("of the last start")
    for name in ("etc_settings.json", "etc_key.der", "etc_a b"):
        (given / name).write_text(name)
        (given / name).chmod(0o440)
    environment = {"CREDENTIALS_DIRECTORY": str(given), "RUNTIME_DIRECTORY": str(runtime), "PATH": os.environ["PATH"]}
    subprocess.run([paths.ROOT / "packaging/debian/private-copy"], env=environment, check=True)
    copies = {path.name: (path.read_text(), path.stat().st_mode & 0o777) for path in (runtime / "etc").iterdir()}
    assert copies == {name: (f"etc_{name}", 0o600) for name in ("settings.json", "key.der", "a b")}
    assert (runtime / "etc").stat().st_mode & 0o777 == 0o700
