import gc

gc.collect()
gc.threshold(4096)
import json
import linkpulse
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
