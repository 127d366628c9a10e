"""What counting costs a socket, on this machine's MicroPython: `python -m tests.bench.counting`. It judges nothing."""

import os
import socket
import subprocess
import threading
from pathlib import Path

from linkpulse_tools import paths
from linkpulse_tools.build import mpy
from linkpulse_tools.device import interpreter

SCRIPT = Path(__file__).parent / "device" / "counting.py"


def drain(listener: socket.socket) -> None:
    """Reads and forgets what comes, from one connection after the other and from several at once."""

    def read(s):
        with s:
            while s.recv(65536):
                pass

    while True:
        try:
            s, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=read, args=(s,), daemon=True).start()


def main() -> None:
    runtime = interpreter.find()
    compiled = mpy.for_interpreter(paths.LIB, paths.MPY, runtime.arch)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drain, args=(listener,), daemon=True).start()
        command = runtime.command(SCRIPT, str(listener.getsockname()[1]), heap="1M")
        env = {**os.environ, "MICROPYPATH": mpy.search_path(compiled)}
        text = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120).stdout
        listener.shutdown(socket.SHUT_RDWR)
    print(f"{'':28}{'plain':>10}{'counted':>10}{'ratio':>8}")
    for line in text.splitlines():
        name, plain, counted = line.split("|")
        unit = "bytes" if "heap" in name else "µs"
        print(f"{name:28}{plain:>10}{counted:>10}{float(counted) / float(plain):>8.2f}  {unit}")


if __name__ == "__main__":
    main()
