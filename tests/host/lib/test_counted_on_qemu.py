"""The counted socket on real lwIP: tuples for addresses, lwIP's error numbers, mbedTLS on the Python heap."""

import json
import ssl
from pathlib import Path

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import firmware, mpy
from tests.host.lib.test_counted_sockets import Server, echo, lines, reset

SCRIPT = Path(__file__).parent / "device" / "counted_lwip.py"


@pytest.fixture
def peers(certs):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server.pem, certs.server.key_pem)

    def secure(s):
        with context.wrap_socket(s, server_side=True) as t:
            echo(t)

    with Server(echo) as a, Server(lines) as b, Server(reset) as c, Server(secure) as d, Server(echo) as gone:
        found = {"echo": a.port, "lines": b.port, "reset": c.port, "tls": d.port, "refused": gone.port}
        gone.server_close()
        yield found


def test_on_lwip(make_board, tmp_path, peers):
    mpy.compile_tree(paths.LIB, tmp_path / "lib", firmware.ARCH)
    with make_board("plain", heap=200000) as board:
        board.mount(tmp_path / "lib")
        said = board.run(f"peers = {peers!r}\n{SCRIPT.read_text()}", 60)
    told = json.loads(said.strip().splitlines()[-1])
    assert told.pop("plain")[::2] == [3000, 3000]
    tls_bytes = told.pop("tls bytes")
    assert 500 < tls_bytes[0] < 4000 and 200 < tls_bytes[2] < 4000
    assert told.pop("grown") < 1024
    assert sorted(told.pop("ports")) == [5000, 8080]
    assert sorted(told.pop("open")) == [1, 2, 4, 4, 4]  # a datagram socket, a listener, three contacts that ended
    # The host may have answered before connect() returns: then it is no pending connection.
    assert told.pop("not yet") == (1 if told.pop("pending") else 2)
    assert told == {
        "poll": [4], "timeout": True, "ended": [4], "writable": 1, "readable": 1,
        "line": "one\n", "made": [4, 3], "refused": True, "reset": True, "tls": "hello",
        "tls reset": True,
    }  # fmt: skip
