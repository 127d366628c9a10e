import gc

gc.collect()
gc.threshold(4096)
import json
import linkpulse
from linkpulse.settings import load

s = load(PATH)
if GATEWAY:
    s.baseline = ""  # the running agent's counters are its own
    s.state = s.state if STATE is None else STATE
_state = GATEWAY and s.state
a = linkpulse.Agent(s)
linkpulse.forget("settings")
del load, s
a.once()
if _state:
    # If root makes this report, the file still belongs to the user of the agent.
    import os

    try:
        _owner = os.stat(_state.rpartition("/")[0] or ".")[4:6]
        if os.stat(_state)[4] != _owner[0]:
            os.system("chown %d:%d '%s' 2>/dev/null" % (_owner[0], _owner[1], _state.replace("'", "'\\''")))
    except OSError:
        pass
print(json.dumps(a.status()))
