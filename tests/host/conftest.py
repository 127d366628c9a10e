"""Fixtures of the host's tests: MicroPython's own tools and what stands in for its library."""

import shutil

import pytest

from linkpulse_tools.build import firmware
from tests.core import on_cpython  # noqa: F401


@pytest.fixture(scope="session")
def upstream():
    """MicroPython's source, from where the firmware of boards/qemu-mps2 has it."""
    build = firmware.script("build")
    try:
        build.install()
        return build.sources()
    except build.BuildError as error:
        pytest.skip(f"MicroPython's source is not here: {error}")


@pytest.fixture(scope="session")
def library(tmp_path_factory, vendor):
    """A stand-in for micropython-lib, which Debian's source has in parts: the names that manifests require.

    umqtt.simple is the real one; of the others nothing is needed but that they are found.
    """
    top = tmp_path_factory.mktemp("library")
    folder = top / "micropython"
    others = "umqtt.robust bundle-networking aioble aioespnow dht ds18x20 neopixel onewire upysh ssd1306"
    for name in others.split():
        (folder / name).mkdir(parents=True)
        (folder / name / "manifest.py").write_text('metadata(version="0")\n')
    shutil.copytree(vendor / "umqtt", folder / "umqtt.simple" / "umqtt")
    (folder / "umqtt.simple" / "manifest.py").write_text('metadata(version="1.3.4")\npackage("umqtt")\n')
    return top
