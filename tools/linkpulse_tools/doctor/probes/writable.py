# Which files the agent cannot write, as [setting, path, error]. It replaces them, so their folders are tried. That of a
# packaged agent (STATE) is made when the agent starts.
import os

_unwritable = []
for _name, _path in (("state", s.state if STATE is None else ""), ("baseline", s.baseline)):
    try:
        if _path:
            with open(_path + ".check", "wb"):
                pass
            os.remove(_path + ".check")
    except OSError as e:
        _unwritable.append([_name, _path, e.args[0]])
print(json.dumps(_unwritable))
