# The addresses as text. On the unix port, each is a struct sockaddr in hexadecimal.
import binascii
import socket

_found = []
for _i in socket.getaddrinfo(s.host, s.port, 0, socket.SOCK_STREAM):
    _a = _i[-1]
    _found.append(_a[0] if isinstance(_a, tuple) else binascii.hexlify(_a).decode())
print(json.dumps(_found))
