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
a.once()
print(json.dumps(a.status()))
