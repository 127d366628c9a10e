# Sets the clock if it is not set. Prints whether that was so, or else by how many seconds the clock is ahead.
from linkpulse.port.clock import epoch, synchronize

_now = epoch()
_got = []
synchronize(s.ntp, setter=None if _now is None else _got.append)
print(json.dumps([_now is None, _now - _got[0] if _got else 0]))
