"""umqtt.simple: verified, one file of it unpacked, downloaded once."""

import base64
import hashlib
import http.server
import io
import os
import socket
import subprocess
import tarfile
import threading

import pytest

from linkpulse_tools.build import umqtt
from linkpulse_tools.errors import ToolError


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_real_one_is_there_and_runs(vendor, micropython):
    env = {"MICROPYPATH": f"{vendor}:.frozen"}
    command = [micropython, "-c", "from umqtt.simple import MQTTClient; print(MQTTClient.__name__)"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "MQTTClient", done.stderr


def test_wrong_digest_is_refused(tmp_path):
    data = archive(**{"x/umqtt/simple.py": b"evil"})
    with pytest.raises(ToolError, match=digest(data)):
        umqtt.ensure(tmp_path, lambda: data)
    assert list(tmp_path.iterdir()) == []


def test_only_the_one_file_is_taken():
    data = archive(**{"../umqtt/other.py": b"1", "/etc/x": b"2", "x/umqtt/simple.py": b"good", "x/setup.cfg": b"3"})
    assert umqtt.extract(data, digest(data)) == b"good"


@pytest.mark.parametrize("members", [{}, {"umqtt/simple.py": b"1"}, {"x/umqtt/simple.py": b"1" * 65537}])
def test_archive_without_a_usable_file_is_refused(members):
    data = archive(**members)
    with pytest.raises(ToolError, match="holds no"):
        umqtt.extract(data, digest(data))


def test_link_in_its_place_is_not_followed():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        info = tarfile.TarInfo("x/umqtt/simple.py")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(ToolError, match="holds no"):
        umqtt.extract(stream.getvalue(), digest(stream.getvalue()))


def test_it_is_fetched_once_and_again_when_touched(tmp_path, monkeypatch):
    data, calls = archive(**{"x/umqtt/simple.py": b"good"}), []
    monkeypatch.setattr(umqtt, "extract", lambda archive: b"good")

    def fetch():
        calls.append(1)
        return data

    target = umqtt.ensure(tmp_path, fetch)
    umqtt.ensure(tmp_path, fetch)
    assert len(calls) == 1
    target.write_bytes(b"changed")
    assert umqtt.ensure(tmp_path, fetch).read_bytes() == b"good"
    assert len(calls) == 2


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index as pip's configuration names it: index(page or None) makes the project's page."""
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    def serve(page):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                known = {f"/simple/{umqtt.PROJECT}/": page, f"/files/{umqtt.ARCHIVE}": b"the archive"}
                data = known.get(self.path)
                asked.append((self.path, self.headers.get("Authorization")))
                self.send_response(200 if data else 404)
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://me:s%40fe@127.0.0.1:{server.server_port}/simple/")
        return asked

    servers, asked = [], []
    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_it_comes_from_the_index_that_pip_is_configured_with(index):
    asked = index(f'<a data-x="1" href="../../files/{umqtt.ARCHIVE}#sha256=00">it</a>'.encode())
    assert umqtt.download() == b"the archive"
    assert asked[1] == (f"/files/{umqtt.ARCHIVE}", "Basic " + base64.b64encode(b"me:s@fe").decode())


def test_an_index_without_it_is_named_without_its_password(index):
    index(None)
    with pytest.raises(ToolError, match="is not on the package index: http://127.0.0.1:") as error:
        umqtt.download()
    assert "fe@" not in str(error.value)


def test_offline_is_not_blamed_on_what_the_index_has(index, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/simple")
    with pytest.raises(ToolError, match="does not answer as it should.*refused.*online"):
        umqtt.download()


def test_without_pip_the_message_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "pip.py").write_text("raise ImportError('No module named pip')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ToolError, match="No module named pip.*ensurepip.*wheel"):
        umqtt.download()
