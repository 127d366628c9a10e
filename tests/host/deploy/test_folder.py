"""A device's folder, checked on the host by the device's own code and by what certificates say."""

import datetime
import json
import shutil

import pytest
from cryptography.hazmat.primitives import serialization

from linkpulse_tools.deploy import folder
from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki.certs import make_authority, make_client, save

DAY = datetime.timedelta(days=1)


@pytest.fixture
def device(tmp_path, certs):
    """device(**settings) -> a good folder."""
    for name, source in (("ca", certs.ca.der), ("cert", certs.thing.der), ("key", certs.thing.key_der)):
        shutil.copy(source, tmp_path / f"{name}.der")

    def make(**more):
        settings = {"thing": "t", "host": "h", "ca": "ca.der", "cert": "cert.der", "key": "key.der", **more}
        settings = {name: value for name, value in settings.items() if value is not None}
        (tmp_path / "settings.json").write_text(json.dumps(settings))
        return tmp_path

    return make


def client(path, **dates):
    """A certificate in the folder, with its key, from another authority."""
    files = save(make_client(make_authority(), "t", **dates), path / "made", "client")
    shutil.copy(files.der, path / "cert.der")
    shutil.copy(files.key_der, path / "key.der")


def refused(path):
    with pytest.raises(ToolError) as caught:
        folder.load(path)
    return str(caught.value)


def test_a_good_one(device):
    path = device(timeout=7)
    found = folder.load(path)
    assert (found.timeout, found.warnings, found.own_key) == (7, (), None)
    assert found.files == {name: (path / name).read_bytes() for name in found.files}
    assert list(found.files) == ["settings.json", "ca.der", "cert.der", "key.der"]


def test_settings_are_checked_by_the_devices_code(device):
    said = refused(device(hots="h", host=None))
    assert "settings.json: in the settings: " in said
    assert "hots: there is no such setting, did you mean host?" in said and "host: is missing" in said
    assert folder.load(device(interval=10)).warnings == ("interval: 10 s is raised to 300 s",)


def test_no_settings(tmp_path):
    assert "has no settings.json: `linkpulse provision`" in refused(tmp_path)
    (tmp_path / "settings.json").write_text("[")
    assert "is not JSON" in refused(tmp_path)


def test_files_that_are_not_there(device):
    path = device(ca="absent.der", cert="/etc/cert.der", key="../key.der")
    said = refused(path)
    assert "ca: there is no absent.der" in said
    assert "cert: /etc/cert.der is not a path in this folder" in said
    assert "key: ../key.der is not a path in this folder" in said


def test_the_devices_own_key_is_not_asked_for(device):
    path = device()
    (path / "key.der").unlink()
    found = folder.load(path)
    assert found.own_key == "key.der" and "key.der" not in found.files


def test_a_key_of_another_certificate(device, certs):
    path = device()
    shutil.copy(certs.service.key_der, path / "key.der")
    assert "key.der is not the key of cert.der" in refused(path)


@pytest.mark.parametrize("name", ["ca.der", "cert.der", "key.der"])
@pytest.mark.parametrize("data", [b"", b"junk", b"-----BEGIN X-----\n", b"-----BEGIN CERTIFICATE-----\n%%\n"])
def test_what_holds_something_else(device, name, data):
    path = device()
    (path / name).write_bytes(data)
    assert f"{name} does not contain a " in refused(path)


def test_a_key_with_a_password(device, certs):
    path = device()
    key = serialization.load_der_private_key(certs.thing.key_der.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    form = serialization.PrivateFormat.PKCS8
    (path / "key.der").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locked))
    assert "does not contain a private key without a password" in refused(path)


def test_pem_is_as_good(device, certs):
    path = device()
    for name, source in (("ca", certs.ca.pem), ("cert", certs.thing.pem), ("key", certs.thing.key_pem)):
        shutil.copy(source, path / f"{name}.der")
    assert folder.load(path).own_key is None


def test_dates(device):
    path, now = device(), datetime.datetime.now(datetime.timezone.utc)
    client(path, not_before=now - 9 * DAY, not_after=now - DAY)
    assert "cert.der expired on" in refused(path)
    client(path, not_before=now + DAY)
    assert "cert.der is not valid before" in refused(path)
    client(path, not_after=now + 9 * DAY)
    assert folder.load(path).warnings[0].startswith("cert.der expires on")
    authority = make_authority(not_before=now - 9 * DAY, not_after=now - DAY)
    shutil.copy(save(authority, path / "made", "old").der, path / "ca.der")
    assert "ca.der expired on" in refused(path)


def test_broken_json_has_a_position(device):
    path = device()
    (path / "settings.json").write_text('{\n "thing": x}')
    assert "settings.json is not JSON: Expecting value: line 2 column 11" in refused(path)
