import json


def _has(name):
    try:
        return __import__(name, None, None, ("",))
    except ImportError:
        return None


_l = _has("linkpulse")
_f = getattr(_l, "__file__", "")
print(json.dumps([_l and _l.__version__, _f, bool(_has("umqtt.simple"))]))
