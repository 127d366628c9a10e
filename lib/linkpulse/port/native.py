# mpy-cross: -X emit=viper
# SPDX-License-Identifier: MIT
"""Whether MicroPython runs the modules that ask for machine code as bytecode. Some then have a faster replacement."""

from sys import implementation


def ptr16(buf):
    return buf


def _first(two) -> int:
    # Machine code reads two bytes at once. Bytecode calls the function above and reads one.
    return int(ptr16(two)[0])


# In a bytearray, because a constant in flash may have an odd address, which a Cortex-M0 cannot read two bytes from.
BYTECODE = implementation.name == "micropython" and not _first(bytearray(b"\x00\x01"))
