"""The container example without an engine: what its Containerfile and compose.yaml say, done by hand on Debian."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import psutil
import pytest
import yaml

from linkpulse_tools import paths
from linkpulse_tools.build.dist import container as dist_container
from tests.host.build.dist import trixie

DRIVER = Path(__file__).with_name("contained.py")
# The engine's part: namespaces are there already, the folder of the root is the current one.
MOUNTS = """
set -eu
mount --make-rprivate /
mount --bind . .
cd "$PWD"
mount -t proc proc proc
{mounts}
mount -o remount,ro,bind .
exec chroot --userspec={user} . /usr/bin/env -i {environment} {entrypoint}
"""


def instructions(containerfile: str) -> list[tuple[str, str]]:
    """(instruction, its text), continued lines joined."""
    joined = containerfile.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Path:
    """The folder that an engine builds from."""
    folder = tmp_path_factory.mktemp("container")
    (archive,) = dist_container.build(folder)
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    return folder / "linkpulse-container"


@pytest.fixture(scope="module")
def image(context) -> dict:
    """The Containerfile's instructions, each kind's texts in order."""
    found: dict = {}
    for name, text in instructions((context / "Containerfile").read_text()):
        found.setdefault(name, []).append(text)
    return found


def test_everything_that_is_copied_is_in_the_context(context, image):
    assert set(image) == {"FROM", "RUN", "COPY", "ENV", "USER", "ENTRYPOINT"}
    for text in image["COPY"]:
        source, target = text.split()
        assert any((context / source).iterdir())
        assert target in ("/usr/bin/", "/usr/lib/")
    assert (context / "bin/linkpulse-agent").stat().st_mode & 0o111 == 0o111


def test_service_has_no_privilege_and_reads_the_hosts_proc(context):
    service = yaml.safe_load((context / "compose.yaml").read_text())["services"]["linkpulse"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/proc:/host_proc:ro" in service["volumes"]
    assert not {"ports", "privileged", "network_mode", "pid"} & set(service)


def built(root: Path, context: Path, image: dict) -> None:
    """What the Containerfile does to its base image, but for what apt installs: that is in trixie's root."""
    assert image["FROM"] == ["debian:trixie-slim"]
    assert "install --yes --no-install-recommends micropython" in image["RUN"][0]
    for text in image["RUN"][1:]:
        subprocess.run(["chroot", root, "/bin/sh", "-c", text], env={"PATH": "/usr/sbin:/usr/bin"}, check=True)
    for text in image["COPY"]:
        source, target = text.split()
        subprocess.run(["cp", "-r", f"{context}/{source}.", root / target.lstrip("/")], check=True)


def mounts(service: dict, folder: Path, root: Path) -> str:
    """compose.yaml's volumes and tmpfs as commands, with the mount points made as an engine does."""
    lines = []
    for volume in service["volumes"]:
        source, target, *options = volume.split(":")
        if not source.startswith("/"):
            source = str(folder / Path(source).name)  # ./settings, and a volume's own folder
        (root / target.lstrip("/")).mkdir(exist_ok=True)
        lines.append(f"mount --bind {source} .{target}")
        if options == ["ro"]:
            lines.append(f"mount -o remount,ro,bind .{target}")
    for mount in service["tmpfs"]:
        target, options = mount.split(":")
        lines.append(f"mount -t tmpfs -o {options} tmpfs .{target}")
    return "\n".join(lines)


def test_agent_reports_the_host_from_a_namespace_of_its_own(context, image, tmp_path):
    if not trixie.may_mount():
        pytest.skip("the tests may not make mounts and namespaces here")
    readme = (context / "README.md").read_text()
    settings = json.loads(re.search(r"```json\n(.*?)```", readme, re.DOTALL)[1])
    service = yaml.safe_load((context / "compose.yaml").read_text())["services"]["linkpulse"]
    user = image["USER"][0]
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, *map(int, user.split(":")))  # a new volume is like the image's folder
    with trixie.copied(tmp_path) as root, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if f":{port:04X} " not in Path("/proc/1/net/tcp").read_text():
            pytest.skip("this machine's first process is in another network")
        built(root, context, image)
        script = MOUNTS.format(
            mounts=mounts(service, tmp_path, root),
            user=user,
            environment=f"PATH=/usr/bin {image['ENV'][0]}",
            entrypoint=shlex.join(json.loads(image["ENTRYPOINT"][0])),
        )
        elsewhere = [c.laddr.port for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        given = {"script": script, "root": str(root), "settings": {"proc": settings["proc"]}, "elsewhere": elsewhere}
        (tmp_path / "given.json").write_text(json.dumps(given))
        environment = dict(os.environ, PYTHONPATH=f"{paths.ROOT / 'tools'}:{paths.ROOT}")
        command = ["unshare", "--net", sys.executable, DRIVER, tmp_path]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + (tmp_path / "log").read_text()
    found = json.loads(done.stdout)
    ports = [row["port"] for row in found["report"]["metrics"]["listening_tcp_ports"]["ports"]]
    assert port in ports
    assert found["port"] not in ports
    assert (state / "linkpulse.state").exists()
