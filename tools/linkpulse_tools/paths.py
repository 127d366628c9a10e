"""Where files are: in a checkout, or where pip installed them. In that case the user's cache takes what is made."""

from pathlib import Path

import platformdirs

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
INSTALLED = not (CHECKOUT / "lib" / "linkpulse").is_dir()
ROOT = HERE / "on_device" if INSTALLED else CHECKOUT
LIB = ROOT / "lib"
PROBES = HERE / "doctor" / "probes"
FIRMWARE = ROOT / "firmware"
BUILD = platformdirs.user_cache_path("linkpulse") if INSTALLED else CHECKOUT / "build"
# A wheel brings umqtt.simple; an installation from a checkout fetches it once.
VENDOR = next((path for path in [ROOT / "vendor"] if path.is_dir()), BUILD / "vendor")
MPY = BUILD / "mpy"
CERTS = BUILD / "certs"
RUN = BUILD / "run"
