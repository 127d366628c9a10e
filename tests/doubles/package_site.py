"""A web server on loopback that mip installs from: folders as they are, and a package index of umqtt.simple."""

import functools
import hashlib
import http.server
import json
import threading
from pathlib import Path

from linkpulse_tools import files
from linkpulse_tools.build import mpy, umqtt

INDEX = "pi/v2"  # of mip's own index; its layout is described in micropython-lib's tools/build.py


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):  # noqa: N802
        self.server.asked.append(self.path)
        super().do_GET()


class Site:
    """Serves `folder`: `url` is its address, `index` that of the package index in it, `asked` every path so far."""

    def __init__(self, folder: Path):
        handler = functools.partial(_Handler, directory=folder)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.asked = self._server.asked = []
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.index = f"{self.url}/{INDEX}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def make_index(folder: Path, vendor: Path) -> None:
    """Under `folder`, an index with umqtt.simple as source and as bytecode of format 6, as mip asks for it."""
    source = vendor / umqtt.MEMBER
    compiled = folder / "simple.mpy"
    mpy.compile_file(source, compiled, umqtt.MEMBER)
    for kind, path in (("py", source), (str(compiled.read_bytes()[1]), compiled)):
        data = path.read_bytes()
        short = hashlib.sha256(data).hexdigest()[:8]
        files.write(folder / INDEX / "file" / short[:2] / short, data)
        package = {"v": 1, "version": umqtt.VERSION, "hashes": [[f"umqtt/simple{path.suffix}", short]]}
        files.write(folder / INDEX / "package" / kind / "umqtt.simple" / "latest.json", json.dumps(package).encode())
    compiled.unlink()
