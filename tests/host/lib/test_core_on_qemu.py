"""The core tests on the board in QEMU: a Cortex-M3, small ints of 31 bits, floats of 32. A case a test.

The library and the tests are compiled with native code for armv7m, and imported over mpremote's mount.
"""

import shutil
import time

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import firmware, mpy
from tests.host.lib.test_core_on_micropython import CORE, DOUBLES, NAMES, _parts

HEAP = 1000000
WITHIN = 120  # seconds a module may take


@pytest.fixture(scope="module")
def results(make_board, tmp_path_factory):
    """What the runner said, {module.test: text}; a soft reset before each module: none lives on another's heap."""
    folder = tmp_path_factory.mktemp("board")
    mpy.compile_tree(paths.LIB, folder / "lib", firmware.ARCH)
    for more in (CORE, DOUBLES):
        mpy.compile_tree(more, folder / more.name, firmware.ARCH)
        shutil.copytree(folder / more.name, folder / "lib", dirs_exist_ok=True)
    found = {}
    with make_board("plain", heap=HEAP) as board:
        for module in sorted({name.partition(".")[0] for name in NAMES}):
            started = time.monotonic()
            board.soft_reset()
            board.mount(folder / "lib")
            said = board.run(f"import run\nrun.main([{module!r}])", WITHIN).replace("\r\n", "\n")
            for part in _parts(said):
                found[part.split()[1]] = part
            found[module] = f"{said}\n({time.monotonic() - started:.1f} s)"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_core(results, name):
    said = results.get(name)
    assert said is not None, "the runner did not get there:\n" + results[name.partition(".")[0]]
    assert said.startswith("ok "), said
