# mpy-cross: -X emit=viper
# SPDX-License-Identifier: MIT
"""Whether MicroPython runs the modules that ask for machine code as bytecode. Some then have a faster replacement."""

from sys import implementation


def ptr16(buf):
    return buf


def _first(two) -> int:
    # Machine code reads two bytes at once. Bytecode calls the function above and reads one.
    return int(ptr16(two)[0])


BYTECODE = implementation.name == "micropython" and not _first(b"\x00\x01")
