"""Importing this lets CPython import the device code and the core tests' own modules."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent
sys.path[:0] = [str(TESTS.parent / "lib"), str(HERE), str(TESTS / "doubles" / "device")]
