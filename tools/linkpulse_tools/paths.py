"""Where things are in a checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / "lib"
FIRMWARE = ROOT / "firmware"
BUILD = ROOT / "build"
VENDOR = BUILD / "vendor"
MPY = BUILD / "mpy"
CERTS = BUILD / "certs"
RUN = BUILD / "run"
