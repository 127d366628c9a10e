"""manifest.py and boards/common/agent.py as MicroPython reads manifests: their modules are those of slices.py."""

import importlib.util
import re
import shutil

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import packages, slices

NAMES = "linkpulse_names.py"
# The options of the manifests and the collectors of slices.py that they stand for.
OPTIONS = {"lwip": "lwip", "counting": "counted", "radio": "cyw43", "linux": "linux"}
AGENT = paths.ROOT / "boards" / "common" / "agent.py"
ROOT = paths.ROOT / "manifest.py"


@pytest.fixture(scope="module")
def manifestfile(upstream):
    """MicroPython's tools/manifestfile.py."""
    spec = importlib.util.spec_from_file_location("manifestfile", upstream / "tools" / "manifestfile.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def read(manifestfile, library):
    """read(source, freeze=True) -> the manifest after this source was executed: .files(), .metadata()."""

    def execute(source, freeze=True):
        mode = manifestfile.MODE_FREEZE if freeze else manifestfile.MODE_COMPILE
        manifest = manifestfile.ManifestFile(mode, {"MPY_LIB_DIR": str(library)})
        manifest.execute(source)
        return manifest

    return execute


def modules(manifest):
    """The target paths, each once, without umqtt.simple and boards/common/names.py's file, which must be there."""
    found = [file.target_path for file in manifest.files()]
    assert {"umqtt/simple.py", NAMES} <= set(found)
    assert len(found) == len(set(found))
    return sorted(name for name in found if not name.startswith("umqtt/") and name != NAMES)


def collectors(options):
    return [OPTIONS[name] for name in OPTIONS if options.get(name)]


@pytest.mark.parametrize(
    "on", [("lwip",), ("counting",), ("lwip", "counting", "radio"), ("linux",), tuple(OPTIONS)], ids=str
)
def test_agent_manifest_has_the_modules_of_its_slice(read, on):
    options = dict.fromkeys(on, True)
    manifest = read(f"include({str(AGENT)!r}, **{options!r})")
    assert modules(manifest) == slices.agent(*collectors(options))


def test_root_manifest_is_for_boards_unless_told_otherwise(read):
    assert modules(read(f"include({str(ROOT)!r})")) == slices.agent("lwip", "counted", "cyw43")
    everything = read(f"include({str(ROOT)!r}, linux=True)")
    assert modules(everything) == slices.agent(*slices.collectors())
    only = "lwip=False, counting=False, radio=False, linux=True"
    assert modules(read(f"include({str(ROOT)!r}, {only})")) == slices.agent("linux")


def test_it_is_required_by_name(read, tmp_path):
    folder = tmp_path / "linkpulse"
    shutil.copytree(paths.LIB, folder / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(AGENT.parent, folder / "boards" / "common")
    shutil.copy(ROOT, folder)
    library = f"add_library('linkpulse', {str(folder)!r})\n"
    found = read(library + "require('linkpulse', radio=False)")
    assert modules(found) == slices.agent("lwip", "counted")
    assert all(file.full_path.startswith(str(folder)) for file in found.files() if "umqtt" not in file.target_path)
    # So an index of packages is made, which wants metadata before anything else.
    compiled = read(f"metadata(version='1')\n{library}require('linkpulse', library='linkpulse')", freeze=False)
    assert {file.metadata.version for file in compiled.files() if "umqtt" not in file.target_path} == {
        packages.version()
    }


def test_versions_are_one():
    project = re.search(r'^version = "(.+)"$', (paths.ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    manifest = re.search(r'version="(.+?)"', ROOT.read_text())[1]
    tools = re.search(r'__version__ = "(.+)"', (paths.ROOT / "tools/linkpulse_tools/__init__.py").read_text())[1]
    assert packages.version() == project == manifest == tools
