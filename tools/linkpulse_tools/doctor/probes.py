"""The scripts that run on the device. Each prints one line of JSON at its end.

They use the device's own modules, so they find what the agent will find, and fail with the exceptions of these modules.
No script prints a secret. `filled` replaces the words in capitals.
"""

# The settings, and the hardware that they name. It is kept for the next script, because a driver must not be made
# twice.
BEGIN = """
import json
from linkpulse.settings import load
s = load(PATH)
try:
    board
except NameError:
    board = None
    if s.board():
        from linkpulse.board import Board
        from linkpulse.agent.status import Status
        board = Board(s, Status(None, ()).values)
"""
FACTS = ("thing", "host", "port", "ca", "cert", "key", "client_id", "server_name", "topic")
FACTS += ("timeout", "format", "ntp", "wifi_ssid", "warnings")

LINKPULSE = """
import json
def _has(name):
    try:
        return __import__(name, None, None, ("",))
    except ImportError as e:
        return None
_l = _has("linkpulse")
_f = getattr(_l, "__file__", "")
print(json.dumps([_l and _l.__version__, _f, bool(_has("umqtt.simple"))]))
"""

# Whether the code is complete. The next script says whether it fits.
AGENT = """
try:
    import linkpulse.agent.agent
except MemoryError:
    pass
print("[]")
"""

# It begins like main.py, and then measures what TLS takes of Python's heap before a handshake. That is little if TLS
# has
# memory of its own, and -1 if there is not enough.
MEMORY = """
import gc
gc.collect()
gc.threshold(4096)
import json, micropython, sys
import linkpulse
from linkpulse.errors import SettingsError
from linkpulse.settings import Settings, load
try:
    a = linkpulse.Agent(load(PATH))
except SettingsError:
    a = linkpulse.Agent(Settings({"thing": "-"}, "", False))
linkpulse.forget("settings")
del load, Settings
gc.collect()
_used = gc.mem_alloc()
_free = gc.mem_free()
micropython.mem_info()
import socket, tls
try:
    _s = socket.socket()
    _c = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    _w = _c.wrap_socket(_s, server_hostname="-", do_handshake_on_connect=False)
    _tls = gc.mem_alloc() - _used
except (MemoryError, OSError):
    _tls = -1
print(json.dumps([_free, _tls, 32 if sys.maxsize > 1 << 32 else 16]))
"""

SETTINGS = f"""
print(json.dumps({{name: getattr(s, name) for name in {FACTS!r}}}))
"""

FILES = """
import os
_missing = []
for _name in ("ca", "cert", "key"):
    try:
        with open(getattr(s, _name), "rb") as _f:
            pass
    except OSError as e:
        _missing.append([_name, getattr(s, _name), e.args[0]])
if not _missing:
    from linkpulse.session.trust import context
    context(s.ca, s.cert, s.key)
print(json.dumps(_missing))
"""

CLOCK = """
import json, time
from linkpulse.port.clock import epoch
print(json.dumps([epoch(), list(time.gmtime()[:6])]))
"""

# The interfaces as [name, "up", "down" or "unknown"]. If the settings name one, only its address.
NETWORK = """
import sys
_found = []
_address = None
if s.wifi_ssid or s.ethernet is not False:
    board.connect()
    _address = board._uplink._nic.ifconfig()[0]
elif sys.platform == "linux":
    import os
    for _name in sorted(os.listdir("/sys/class/net")):
        with open("/sys/class/net/" + _name + "/operstate") as _f:
            _found.append([_name, _f.read().strip()])
else:
    import network
    for _name in ("WLAN", "LAN", "WIZNET5K"):
        try:
            _kind = getattr(network, _name)
            _nic = _kind(network.STA_IF) if _name == "WLAN" else _kind()
            _found.append([_name, "up" if _nic.isconnected() else "down"])
        except AttributeError:
            pass
        except Exception:
            _found.append([_name, "unknown"])
print(json.dumps([_address, _found]))
"""

# Sets the clock if it is not set. Prints whether that was so, or else by how many seconds the clock is ahead.
TIME = """
from linkpulse.port.clock import epoch, synchronize
_now = epoch()
_got = []
synchronize(s.ntp, setter=None if _now is None else _got.append)
print(json.dumps([_now is None, _now - _got[0] if _got else 0]))
"""

# The addresses as text. On the unix port, each is a struct sockaddr in hexadecimal.
NAME = """
import binascii, socket
_found = []
for _i in socket.getaddrinfo(s.host, s.port, 0, socket.SOCK_STREAM):
    _a = _i[-1]
    _found.append(_a[0] if isinstance(_a, tuple) else binascii.hexlify(_a).decode())
print(json.dumps(_found))
"""

PORT = """
from linkpulse.session.tls_stream import TLSStream
class _Bare:
    def wrap_socket(self, raw, **_):
        return raw
_l = TLSStream(_Bare(), s.server_name, board and board.beat)
_l.arm(s.timeout * 1000)
try:
    _l.connect(s.host, s.port)
finally:
    _l.close()
print("[]")
"""

# Whether the key's file has the public key that is in the certificate, and whether it has one at all of that kind.
KEY = """
from linkpulse.session.trust import _ders
_k = _ders("key", s.key)[0]
print(json.dumps([HEADER + BODY in _k, HEADER in _k]))
"""

SESSION = """
import gc
gc.threshold(4096)
import binascii, linkpulse
linkpulse.forget("settings")
del load
from linkpulse.session.session import Session
_x = Session(s, lambda *_: None, board)
_t = {"connected": False, "subscribed": False, "error": None, "server": None}
try:
    _x.connect()
    _t["connected"] = True
    try:
        _t["server"] = binascii.b2a_base64(_x._link._tls.getpeercert(True)).decode()
    except (AttributeError, TypeError, MemoryError):
        pass
    _x.subscribe(TOPICS)
    _t["subscribed"] = True
except Exception as e:
    _t["error"] = [type(e).__name__, str(e)]
_t["secured"] = _x._link is not None and _x._link._secured
_x.close()
print(json.dumps(_t))
"""

REPORT = """
import gc
gc.collect()
gc.threshold(4096)
import json, linkpulse
from linkpulse.settings import load
s = load(PATH)
if GATEWAY:
    s.baseline = ""  # the running agent's counters are its own
    s.state = STATE or s.state
a = linkpulse.Agent(s)
linkpulse.forget("settings")
del load, s
_t = {"published": False}
_publish = a._session.publish
def _noted(topic, payload):
    _publish(topic, payload)
    _t["published"] = True
a._session.publish = _noted
a.once()
_t.update(a.status())
print(json.dumps(_t))
"""


def filled(script: str, **values) -> str:
    """A script with its words in capitals replaced by Python's literals."""
    for name, value in values.items():
        script = script.replace(name, repr(value))
    return script
