"""What `mip install` brings, by the board's own mip and by mpremote's, is what the package says, and works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import firmware, packages
from linkpulse_tools.defender.schema import validate
from tests.doubles.package_site import INDEX, Site, make_index
from tests.doubles.relay import Relay

USE = (Path(__file__).parent / "device" / "installed.py").read_text()
# The parts of installed.py that each package can do, and how many reports they make.
PARTS = {
    "package.json": ("microcbor reporter agent", 5),
    "package-linux.json": ("microcbor agent", 1),
    "package-reporter.json": ("microcbor reporter", 4),
    "package-microcbor.json": ("microcbor", 0),
}
# GitHub's raw files are on the site instead.
INSTALL = """
import mip
get = mip.requests.get
mip.requests.get = lambda url: get(url.replace("https://raw.githubusercontent.com", {site!r}))
mip.install({package!r}, index={index!r}, target={target!r}, version={version!r})
"""
MPREMOTE = """
import sys, urllib.request
real = urllib.request.urlopen
urllib.request.urlopen = lambda url: real(url.replace("https://raw.githubusercontent.com", {github!r}))
from mpremote.main import main
sys.exit(main())
"""
HEAP = 400000


@pytest.fixture(scope="module")
def site(tmp_path_factory, vendor):
    """The checkout as GitHub serves it, as owner/linkpulse at v1 and HEAD; and an index with umqtt.simple."""
    folder = tmp_path_factory.mktemp("site")
    for version in ("HEAD", "v1"):
        checkout = folder / "owner" / "linkpulse" / version
        checkout.mkdir(parents=True)
        for name in (*PARTS, "lib"):
            (checkout / name).symlink_to(paths.ROOT / name)
    make_index(folder, vendor)
    with Site(folder) as running:
        yield running


def files_of(name, suffix=".py"):
    """What a package installs, umqtt.simple as the bytecode that the index has for these interpreters."""
    package = packages.all_of()[name]
    found = [str(Path(module).with_suffix(suffix)) for module in package.modules]
    return sorted(found + ["umqtt/simple.mpy"] * len(package.deps))


def modules_of(name):
    stems = [file.rpartition(".")[0].removesuffix("/__init__").replace("/", ".") for file in files_of(name)]
    return sorted({*stems, *(["umqtt"] if "umqtt.simple" in stems else [])})


def program(folder, name):
    return f"FOLDER, PARTS = {(str(folder), PARTS[name][0])!r}\n{USE}"


def check(said, name):
    """The last line of what the program said: all is loaded that was installed, and the reports are valid."""
    found = json.loads(said.strip().splitlines()[-1])
    assert found["loaded"] == modules_of(name)
    assert len(found["reports"]) == PARTS[name][1]
    for fmt, report in found["reports"]:
        assert not validate(bytes.fromhex(report), fmt).problems


def on_unix(micropython, source, folder):
    """The interpreter with its own modules only; what it prints."""
    env = {**os.environ, "MICROPYPATH": ".frozen"}
    command = [micropython, "-X", "heapsize=1M", "-c", source]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def assert_asked(site, version):
    """All that was asked for lies in that version of the checkout, or in the index, by a plain path."""
    folders = (f"/owner/linkpulse/{version}/", f"/{INDEX}/")
    assert site.asked
    assert all(path.startswith(folders) and ".." not in path for path in site.asked)


@pytest.mark.parametrize("version", [None, "v1"])
@pytest.mark.parametrize("name", PARTS)
def test_mip_on_the_device_installs_from_github(site, micropython, tmp_path, name, version):
    package = "github:owner/linkpulse" + ("" if name == "package.json" else f"/{name}")
    target = tmp_path / "lib"
    site.asked.clear()
    source = INSTALL.format(site=site.url, package=package, index=site.index, target=str(target), version=version)
    said = on_unix(micropython, source, tmp_path)
    assert said.splitlines()[-1] == "Done"
    assert tree(target) == files_of(name)
    assert_asked(site, version or "HEAD")
    check(on_unix(micropython, program(target, name), tmp_path), name)


def mpremote(terminal, *arguments, folder=None, github=""):
    """mpremote's output, without a soft reset first; what it asks of GitHub it asks of the address `github`."""
    command = [sys.executable, "-c", MPREMOTE.format(github=github), "connect", terminal, "resume", *arguments]
    env = {**os.environ, "no_proxy": "127.0.0.1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(terminal, package, target, site, folder=None):
    command = ("mip", "install", "--index", site.index, "--target", target, package)
    assert mpremote(terminal, *command, folder=folder, github=site.url).splitlines()[-1] == "Done"


@pytest.mark.parametrize("name", PARTS)
def test_mpremote_installs_from_a_folder_over_a_terminal(site, micropython, tmp_path, name):
    with Relay(tmp_path, micropython, "1M") as relay:
        install(relay.terminal, name, "lib", site, paths.ROOT)
        assert tree(tmp_path / "lib") == files_of(name)
        check(mpremote(relay.terminal, "exec", program("lib", name)), name)


@pytest.mark.parametrize(
    "where", ["{}/owner/linkpulse/v1/package-linux.json", "github:owner/linkpulse/package-linux.json@v1"]
)
def test_mpremote_installs_from_the_web(site, micropython, tmp_path, where):
    site.asked.clear()
    with Relay(tmp_path, micropython, "1M") as relay:
        install(relay.terminal, where.format(site.url), "lib", site)
    assert tree(tmp_path / "lib") == files_of("package-linux.json")
    assert_asked(site, "v1")


@pytest.fixture(scope="module")
def machine():
    """The board in QEMU with nothing of the agent in its firmware."""
    try:
        elf = firmware.ensure("plain")
        qemu = firmware.qemu()
    except firmware.Unavailable as reason:
        pytest.skip(str(reason))
    with qemu.Machine(elf, HEAP) as running:
        yield running


@pytest.mark.parametrize("name", [name for name in PARTS if name != "package-linux.json"])
def test_mpremote_installs_on_the_board_in_qemu(site, machine, name):
    folder = f"/{name.partition('.')[0]}"
    install(machine.terminal, name, folder, site, paths.ROOT)
    mpremote(machine.terminal, "soft-reset")
    check(mpremote(machine.terminal, "exec", program(folder, name)), name)
