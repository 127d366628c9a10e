"""The checks that need no network: firmware, code, heap, settings, files, clock."""

import datetime
import json
import re
import time

from linkpulse_tools import __version__
from linkpulse_tools.device.serial_board import BoardError
from linkpulse_tools.doctor import probes
from linkpulse_tools.doctor.examination import MORE_HEAP, Examination
from linkpulse_tools.doctor.model import Finding, failed, ok, told, warning
from linkpulse_tools.errors import ToolError

DEPLOY = "`linkpulse deploy` copies it"
DEPLOY_NEW = "`linkpulse deploy` brings the board up to date"
# The bytes that must be free when the agent is loaded, measured with P-256 certificates. On the Cortex-M3 in QEMU, a
# report
# is accepted with 34,048 bytes and not with 33,024. On the unix port, where TLS has memory of its own and a word has 8
# bytes, it is accepted with 12,832 and not with 10,784.
WITH_TLS, WITHOUT_TLS = 34_560, 12_288
PIECE_WITH_TLS, PIECE_WITHOUT_TLS = 17_408, 2_048  # the buffer of a TLS record; that of the session
SPARE = 2_048
TLS_INSIDE = 4_096  # TLS takes at least this much of Python's heap if its buffers are there
OFF = 300  # the seconds that a clock may be wrong
CANNOT_READ = {2: "does not exist", 13: "cannot be read by you"}


def firmware(this: Examination) -> Finding:
    """Which MicroPython runs, or why none can be asked."""
    try:
        return ok(this.place.firmware())
    except ToolError as error:
        return told(str(error), "or --micropython PATH" if this.place.gateway else "")


def _unloadable(error: BoardError) -> Finding:
    if error.kind == "ValueError":  # incompatible .mpy file
        return failed(f"the code was made for another firmware: {error.text}", DEPLOY_NEW)
    if error.kind in ("ImportError", "AttributeError"):  # the package raises it for a module that fails
        return failed(f"the code is not complete: {error.text.rpartition(': ')[2]}", DEPLOY)
    raise error


def linkpulse(this: Examination) -> Finding:
    """The code: linkpulse and umqtt.simple, complete and in this version."""
    try:
        this.place.prepare()
        version, where, umqtt = this.place.ask(probes.LINKPULSE, fresh=True)
        missing = [name for name, there in (("linkpulse", version), ("umqtt.simple", umqtt)) if not there]
        lies = this.place.gateway or bool(where) and this.place.read(where) is not None
        if not missing:
            this.place.ask(probes.AGENT)  # the last: it may leave too little heap to read a file
    except ToolError as error:
        return told(str(error))
    except BoardError as error:
        return _unloadable(error)
    if missing:
        hint = "`micropython -m mip install` installs umqtt.simple. MICROPYPATH must name the folders"
        return failed(f"{' and '.join(missing)} cannot be found", hint if this.place.gateway else DEPLOY)
    text = f"linkpulse {version} ({where.rpartition('/')[0] if lies else 'frozen in'}), umqtt.simple"
    if lies and where.startswith("linkpulse/"):
        return warning(f"{text}: it is beside main.py and hides lib/linkpulse", "remove the folder linkpulse")
    if version != __version__:
        return warning(f"{text}, and these tools are {__version__}", DEPLOY_NEW)
    return ok(text)


def memory(this: Examination) -> Finding:
    """Compares the heap that the agent leaves free with what TLS and a report take."""
    said = this.place.run(probes.filled(probes.MEMORY, PATH=this.place.path), fresh=True)
    free, tls, block = _numbers(said)
    largest = block * int(re.search(r"max free sz: (\d+)", said)[1])
    growth = re.search(r"max new split: (\d+)", said)  # for a heap that grows, as on an ESP32
    largest = max(largest, int(growth[1]) if growth else 0)
    if tls < 0:
        return failed(f"{free:,} bytes free beside the agent, {largest:,} in one piece: TLS does not fit in", MORE_HEAP)
    inside = tls > TLS_INSIDE
    least = WITH_TLS if inside else WITHOUT_TLS * block // 32
    piece = PIECE_WITH_TLS if inside else PIECE_WITHOUT_TLS
    needs = "TLS and a report take" if inside else "a report takes (TLS has memory elsewhere)"
    text = f"{free:,} bytes free beside the agent, {largest:,} in one piece; {needs} {least:,}, {piece:,} in one piece"
    if free < least or largest < piece:
        return failed(text, MORE_HEAP)
    if free < least + SPARE:
        return warning(text + ": it is tight", MORE_HEAP)
    return ok(text)


def _numbers(said: str) -> list[int]:
    return [int(number) for number in said.strip().splitlines()[-1].strip("[]").split(",")]


def settings(this: Examination) -> Finding:
    """The settings: the file exists, is valid, and the hardware that it names is there."""
    try:
        found = this.place.with_settings(probes.SETTINGS, fresh=True, FACTS=probes.FACTS)
    except BoardError as error:
        if error.kind != "SettingsError":
            raise
        text = error.text.removeprefix("in the settings: ") + _position(this)
        hint = "`linkpulse settings` shows every key; `linkpulse provision` writes the file"
        if "cannot be read" in text:
            hint = "`linkpulse provision` writes the file" + (
                "" if this.place.gateway else ", `linkpulse deploy` copies it"
            )
        return failed(text, hint)
    this.settings = found
    text = f"{this.place.path}: thing {found['thing']}, broker {found['host']} port {found['port']}"
    position = _position(this)
    if position:
        return warning(f"{text}; MicroPython reads it, although it is not valid JSON{position}", "correct it")
    if found["warnings"]:
        return warning(f"{text}; {'; '.join(found['warnings'])}", "`linkpulse settings` explains every key")
    return ok(text)


def _position(this: Examination) -> str:
    """The line and column of a mistake in the JSON, which the device's own reader does not say."""
    try:
        json.loads(this.place.read(this.place.path) or b"{}")
    except ValueError as error:
        return f" ({error})"
    return ""


def files(this: Examination) -> Finding:
    """The files with CA, certificate and key: they exist, can be read, and contain what they should."""
    try:
        missing = this.place.with_settings(probes.FILES)
    except BoardError as error:
        if error.kind == "SettingsError":
            if "chmod" in error.text:
                return told(error.text)
            return failed(error.text, "`linkpulse provision` makes these files, `linkpulse deploy` copies them")
        if error.kind == "TLSError":
            return told(error.text)
        raise
    if missing:
        reasons = (f"{name}: {path} {CANNOT_READ.get(code, f'(error {code})')}" for name, path, code in missing)
        if any(code == 13 for *_, code in missing):
            hint = "run this as root, or as the user of the agent"
        else:
            hint = "`linkpulse provision` makes these files" + (", " + DEPLOY if not this.place.gateway else "")
        return failed("; ".join(reasons), hint)
    unwritable = this.place.with_settings(probes.WRITABLE, STATE=this.place.state())
    if unwritable:
        hint = "make its folder, and let the agent write there: without it, a restart can spoil a report"
        return warning("; ".join(_unwritable(*found) for found in unwritable), hint)
    return ok(", ".join(this.settings[name] for name in ("ca", "cert", "key")))


def _unwritable(name: str, path: str, code: int) -> str:
    return f"{name}: {path} cannot be written{' by you' if code == 13 else f' (error {code})'}"


def clock(this: Examination) -> Finding:
    """The clock: it is set, and near this machine's. Certificates are checked with it."""
    now, date = this.place.ask(probes.CLOCK)
    shown = "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*date)
    if now is None:
        text = f"it is not set: {shown}"
        if this.settings.get("ntp"):
            return warning(text, f"{this.settings['ntp']} is asked below, as the agent does before it connects")
        how = "`sudo timedatectl set-ntp true`, or chrony" if this.place.gateway else "`linkpulse deploy` does"
        return failed(text, f"set it to UTC ({how}), or name a time server in `ntp`")
    if this.place.gateway:
        return ok(f"{shown} UTC")
    off = now - int(time.time())
    if abs(off) > OFF:
        late = datetime.timedelta(seconds=abs(off))
        text = f"{shown} UTC: it is {late} {'ahead of' if off > 0 else 'behind'} this machine's"
        return warning(text, "set it to UTC, not to local time (`linkpulse deploy` does)")
    return ok(f"{shown} UTC")
