# Whether the key's file has the public key that is in the certificate, and whether it has one at all of that kind.
from linkpulse.session.trust import ders

_k = ders("key", s.key)[0]
print(json.dumps([HEADER + BODY in _k, HEADER in _k]))
