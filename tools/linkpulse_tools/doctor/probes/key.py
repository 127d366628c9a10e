# Whether the key's file has the public key that is in the certificate, and whether it has one at all of that kind.
from linkpulse.session.trust import _ders

_k = _ders("key", s.key)[0]
print(json.dumps([HEADER + BODY in _k, HEADER in _k]))
