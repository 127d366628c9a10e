"""typings/ says what the device code is: by mypy's stubtest, and by what programs are told that use it."""

import ast
import os
import re
import subprocess
import sys

import pytest

from linkpulse.agent.status import Status
from linkpulse.settings import KEYS
from linkpulse_tools import paths

TYPINGS = paths.ROOT / "typings"
MICROPYTHON = paths.ROOT / "tests" / "typings"  # of its own modules, what examples/ and firmware/ take
# CPython under the names by which umqtt.simple 1.3.4 asks for its modules, and the C module that a board may have.
STUBTEST = """
import binascii, socket, struct, sys, types
lwipstat = types.ModuleType("lwipstat")
lwipstat.interfaces = lwipstat.tcp = lwipstat.udp = None
sys.modules.update(usocket=socket, ustruct=struct, ubinascii=binascii, lwipstat=lwipstat)
from mypy import stubtest
sys.exit(stubtest.main())
"""


def run(command, *search, **env):
    env = {**os.environ, "MYPYPATH": os.pathsep.join(map(str, search)), **env}
    return subprocess.run([sys.executable, *map(str, command)], env=env, capture_output=True, text=True)


def modules(root, suffix):
    names = (path.relative_to(root).with_suffix("").as_posix().replace("/", ".") for path in root.rglob(f"*{suffix}"))
    return {name.removesuffix(".__init__") for name in names}


def test_stubs_are_those_of_the_package(vendor, tmp_path):
    # Modules without a stub are nobody's to import: an editor says so.
    allowed = tmp_path / "internal.txt"
    allowed.write_text("".join(f"{re.escape(name)}\n" for name in modules(paths.LIB, ".py") - modules(TYPINGS, ".pyi")))
    path = os.pathsep.join(map(str, (paths.LIB, vendor)))
    command = ["-c", STUBTEST, "--allowlist", allowed, "linkpulse", "microcbor"]
    done = run(command, TYPINGS, PYTHONPATH=path)
    assert done.returncode == 0, done.stdout + done.stderr


def mypy(*files):
    options = ["--check-untyped-defs", "--no-site-packages", "--cache-dir", paths.BUILD / "mypy"]
    return run(["-m", "mypy", *options, *files], TYPINGS, MICROPYTHON)


def test_examples_and_firmware_use_what_the_stubs_have():
    files = [*(paths.ROOT / "examples").glob("*.py"), *(paths.ROOT / "firmware").glob("*.py")]
    assert len(files) > 4
    done = mypy(*files)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "mistake,said",
    [
        ("linkpulse.Agent(load('settings.json'), colector=None)", 'Unexpected keyword argument "colector"'),
        ("linkpulse.Agent(load('settings.json')).status()['acepted']", 'has no key "acepted"'),
        ("load('settings.json').hots", '"Settings" has no attribute "hots"'),
        ("linkpulse.Reporter(object(), 'x', linkpulse.Ids().next)", 'has incompatible type "object"'),
        ("microcbor.Writer().text('no bytes')", 'has incompatible type "str"'),
        ("import linkpulse.report.rows", "stub"),
    ],
)
def test_mistakes_are_found(tmp_path, mistake, said):
    (tmp_path / "program.py").write_text(
        f"import linkpulse, microcbor\nfrom linkpulse.settings import load\n{mistake}\n"
    )
    done = mypy(tmp_path / "program.py")
    assert done.returncode == 1
    assert said in done.stdout


def attributes(file, name):
    """The annotated names of a class in a stub."""
    tree = ast.parse((TYPINGS / "linkpulse" / file).read_text())
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return {node.target.id for node in found.body if isinstance(node, ast.AnnAssign)}


def test_every_setting_has_its_type():
    assert attributes("settings.pyi", "Settings") == {*KEYS, "warnings"}


def test_every_value_of_the_status_has_its_type():
    sources = ((paths.LIB / "linkpulse" / "agent" / f"{name}.py").read_text() for name in ("agent", "reports"))
    added = [name for source in sources for name in re.findall(r'\b(?:s|values)\["(\w+)"\] =', source)]
    assert attributes("agent/status.pyi", "Values") == {*Status(None, ()).values, *added}
