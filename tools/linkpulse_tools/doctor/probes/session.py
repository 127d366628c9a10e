import gc

gc.threshold(4096)
import binascii
import linkpulse

linkpulse.forget("settings")
del load
from linkpulse.session.session import Session

_x = Session(s, lambda *_: None, board and board.beat)
_t = {"connected": False, "subscribed": False, "error": None, "server": None}
try:
    if board:
        board.connect()
    _x.connect()
    _t["connected"] = True
    try:
        _t["server"] = binascii.b2a_base64(_x.stream.peer_certificate()).decode()
    except (TypeError, MemoryError):
        pass
    _x.subscribe(TOPICS)
    _t["subscribed"] = True
except Exception as e:
    _t["error"] = [type(e).__name__, str(e)]
_t["secured"] = _x.stream.secured
_x.close()
print(json.dumps(_t))
