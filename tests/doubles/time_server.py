"""A time server on loopback that answers as it is told to: `answer(question) -> bytes or None`."""

import socket
import struct
import threading

TO_1970 = 2208988800


def packet(question: bytes, now: int, stratum: int = 2, mode: int = 4, nonce: bytes | None = None) -> bytes:
    """An answer to the 48 bytes of `question` (RFC 5905, 7.3) at `now`, seconds since 1970."""
    seconds = struct.pack(">II", (now + TO_1970) % 2**32, 0)
    originate = question[40:48] if nonce is None else nonce
    return bytes([0x20 | mode, stratum, 6, 0xEC]) + bytes(12) + seconds + originate + seconds + seconds


class TimeServer:
    def __init__(self, answer):
        self._answer = answer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.asked = 0

    def __enter__(self):
        self._thread = threading.Thread(target=self._serve, name="time server", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()

    def _serve(self):
        while True:
            question, address = self._socket.recvfrom(512)
            if not question:
                return
            self.asked += 1
            answer = self._answer(question)
            if answer is not None:
                self._socket.sendto(answer, address)
