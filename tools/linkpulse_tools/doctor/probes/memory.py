# It begins like main.py, and then measures what TLS takes of Python's heap before a handshake. That is little if TLS
# has
# memory of its own, and -1 if there is not enough.
import gc

gc.collect()
gc.threshold(4096)
import json
import micropython
import sys
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
import socket
import tls

try:
    _s = socket.socket()
    _c = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    _w = _c.wrap_socket(_s, server_hostname="-", do_handshake_on_connect=False)
    _tls = gc.mem_alloc() - _used
except (MemoryError, OSError):
    _tls = -1
print(json.dumps([_free, _tls, 32 if sys.maxsize > 1 << 32 else 16]))
