"""The .mpy archives: what a web server has after unpacking is installed by mip and runs; the name says for whom."""

import zipfile

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import mpy, packages
from linkpulse_tools.build.dist import mpy as dist_mpy
from linkpulse_tools.device import interpreter
from tests.doubles.package_site import Site, make_index
from tests.host.build.test_mip import PARTS, check, files_of, on_unix, program, tree

INSTALL = "import mip\nmip.install({package!r}, index={index!r}, target={target!r})"


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    return dist_mpy.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def site(archives, tmp_path_factory, vendor):
    """A web server on which all archives were unpacked."""
    folder = tmp_path_factory.mktemp("site")
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    make_index(folder, vendor)
    with Site(folder) as running:
        yield running


def test_an_archive_an_architecture(archives):
    version = packages.version()
    native = [f"linkpulse-{version}-mpy6.3-{arch}.zip" for arch in dist_mpy.ARCHITECTURES[1:]]
    assert [path.name for path in archives] == [f"linkpulse-{version}-mpy6-bytecode.zip", *native]
    assert set(dist_mpy.ARCHITECTURES) <= set(interpreter.ARCHITECTURES)


def test_every_module_is_compiled_for_its_architecture(archives):
    everything = {path.relative_to(paths.LIB) for path in paths.LIB.rglob("*.py")}
    for arch, path in zip(dist_mpy.ARCHITECTURES, archives, strict=True):
        with zipfile.ZipFile(path) as archive:
            members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
        assert set(members) == {"LICENSE", *PARTS, *(str(source.with_suffix(".mpy")) for source in everything)}
        for source in everything:
            head = members[str(source.with_suffix(".mpy"))][:3]
            flags = mpy.flags(paths.LIB / source) and arch
            assert head[:2] == b"M\x06"
            assert head[2] >> 2 & 15 == (interpreter.ARCHITECTURES.index(arch) if flags else 0), (arch, source)


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("own", [True, False], ids=["native", "bytecode"])
def test_mip_installs_it_from_a_web_server(site, archives, runtime, tmp_path, name, own):
    ours = [path for path in archives if path.stem.endswith(f"-{runtime.arch if own else 'bytecode'}")]
    if not ours:
        pytest.skip(f"there is no archive with native code for {runtime.arch}, which this interpreter takes")
    package = f"{site.url}/{ours[0].stem}/" + ("" if name == "package.json" else name)
    target = tmp_path / "lib"
    source = INSTALL.format(package=package, index=site.index, target=str(target))
    assert on_unix(runtime.path, source, tmp_path).splitlines()[-1] == "Done"
    assert tree(target) == files_of(name, ".mpy")
    check(on_unix(runtime.path, program(target, name), tmp_path), name)


def test_the_same_bytes_again(archives, tmp_path):
    assert [path.read_bytes() for path in dist_mpy.build(tmp_path)] == [path.read_bytes() for path in archives]
