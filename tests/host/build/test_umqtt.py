"""umqtt.simple: verified, one file of it unpacked, downloaded once."""

import hashlib
import io
import subprocess
import tarfile

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
