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
