"""Uses microcbor alone: writes a message into a buffer, reads one, and refuses a malformed one."""

from microcbor import Malformed, Reader, Writer

buf = bytearray(64)
w = Writer(buf)
w.map(2)
w.text(b"temperature")
w.float(21.5)
w.text(b"ports")
w.array(2)
w.uint(22)
w.uint(443)
message = bytes(w.result())
print(len(message), "bytes")

r = Reader(message)
for _ in range(r.map()):
    key = str(r.text(), "utf-8")
    if key == "ports":
        print(key, [r.int() for _ in range(r.array())])
    else:
        r.skip()

try:
    Reader(b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff").text()
except Malformed as e:
    print("refused:", e)
