"""The Debian package: what is in it, what Debian's own tools say of it, and the agent as its service."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from linkpulse_tools import __version__, paths
from linkpulse_tools.build import slices
from linkpulse_tools.build.dist import debian as dist_debian
from linkpulse_tools.build.dist import files as dist_files
from linkpulse_tools.build.dist import linux as dist_linux
from linkpulse_tools.errors import ToolError
from tests.host.build.dist import gateway, trixie

UNIT = "usr/lib/systemd/system/linkpulse.service"
RESIDENT = 5 * 1024  # KB: what the connected agent may take
EXPOSURE = 20  # tenths, of systemd-analyze security; newer releases look at more


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The built package."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    (path,) = dist_debian.build(tmp_path_factory.mktemp("dist"))
    return path


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory) -> Path:
    """A folder with the package's files."""
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def root(package, tmp_path_factory) -> Path:
    """Debian trixie with the package installed, which its tests share."""
    if not trixie.may_mount():
        pytest.skip("the tests may not make mounts and namespaces here")
    with trixie.installed(package, tmp_path_factory.mktemp("trixie")) as folder:
        yield folder


def listed(package) -> dict[str, str]:
    """Mode and owner of everything in the package, by its name."""
    lines = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True, text=True).stdout.splitlines()
    return {words[5][1:]: f"{words[0]} {words[1]}" for words in map(str.split, lines)}


def test_package_has_the_agent_for_linux_and_no_more(package):
    found = listed(package)
    lib = "/usr/lib/linkpulse"
    assert {name for name in found if name.startswith(lib) and not name.endswith("/")} == {
        *(f"{lib}/{name}" for name in slices.agent("linux")),
        *(f"{lib}/{name}" for name in ("main.py", "check.py", "umqtt/simple.py", "private-copy")),
        *(f"{lib}/probes/{name}.py" for name in dist_linux.PROBES),
    }
    runnable = {name for name, mode in found.items() if mode.startswith("-rwx")}
    assert runnable == {"/usr/bin/linkpulse-agent", f"{lib}/private-copy"}
    assert {mode for name, mode in found.items() if name not in runnable} == {
        "-rw-r--r-- root/root",
        "drwxr-xr-x root/root",
        "drwx------ root/root",
    }
    assert [name for name, mode in found.items() if mode.startswith("drwx---")] == ["/etc/linkpulse/"]


def test_package_names_its_version_and_does_not_insist_on_one_micropython(package):
    def field(name):
        return subprocess.run(["dpkg-deb", "-f", package, name], check=True, capture_output=True, text=True).stdout

    assert field("Version").strip() == __version__
    assert field("Architecture").strip() == "all"
    assert field("Recommends").strip() == "micropython (>= 1.24)"
    assert field("Depends").strip() == ""


def test_same_bytes_when_built_again(package, tmp_path):
    (again,) = dist_debian.build(tmp_path)
    assert again.read_bytes() == package.read_bytes()


def test_without_dpkg_the_package_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(dist_files.Unavailable, match="dpkg-deb is not installed"):
        dist_debian.build(tmp_path)


def test_lintian_finds_no_error_and_no_warning(package):
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed")
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", package]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_changelog_is_the_projects():
    text = dist_debian.changelog(
        "# Changes\n\n## 1.2.3, 2026-01-02\n\n- One\n  thing.\n- Two.\n\n## 1.2.2\n\n- Three.\n"
    )
    first, second = text.split("\n\nlinkpulse")
    assert first.startswith("linkpulse (1.2.3) unstable; urgency=medium\n\n  * One thing.\n  * Two.\n\n -- linkpulse")
    assert second.startswith(" (1.2.2) unstable")
    assert dist_debian.changelog((paths.ROOT / "CHANGELOG.md").read_text()).startswith(f"linkpulse ({__version__})")
    with pytest.raises(ToolError, match="the section 'Soon'"):
        dist_debian.changelog("# Changes\n\n## Soon\n\n- One.\n")


def systemd_analyze(*arguments) -> subprocess.CompletedProcess:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


def test_systemd_takes_every_line_of_the_unit(unpacked, tmp_path):
    unit = tmp_path / "linkpulse.service"
    unit.write_text(re.sub("=(/usr/(lib/linkpulse|bin)/)", rf"={unpacked}\1", (unpacked / UNIT).read_text()))
    done = systemd_analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_leaves_little_exposed(unpacked):
    done = systemd_analyze("security", "--offline=true", f"--threshold={EXPOSURE}", unpacked / UNIT)
    assert done.returncode == 0, done.stdout


def status(pid: int, name: str) -> int:
    """A figure in KB from /proc/PID/status."""
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])


def ended(process: subprocess.Popen) -> str:
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=gateway.WAIT)[0]


def test_agent_runs_in_debian_as_an_ordinary_user_in_5_mb(root, embedded_broker, certs):
    settings = gateway.write(root / "srv/linkpulse", certs, gateway.values(embedded_broker), trixie.USER)
    os.chown(settings.parent, trixie.USER, trixie.USER)
    script = (
        f"mount --make-rprivate / && mount -t proc -o hidepid=invisible proc {root}/proc && "
        f"exec chroot --userspec={trixie.USER}:{trixie.USER} {root} linkpulse-agent /srv/linkpulse/settings.json"
    )
    with gateway.service(embedded_broker, certs) as heard:
        command = ["unshare", "--mount", "sh", "-c", script]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            first, second = heard.accepted(), heard.accepted()
            resident = status(process.pid, "VmHWM")
            users = re.search(r"^Uid:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)[1]
        finally:
            said = ended(process)
    ports = [row["port"] for row in first.verdict.report["metrics"]["listening_tcp_ports"]["ports"]]
    assert embedded_broker.port in ports
    assert second.verdict.report["metrics"]["network_stats"]["bytes_in"] > 0
    assert int(users) == trixie.USER
    assert resident <= RESIDENT, said
    assert (settings.parent / "linkpulse.state").exists()


def test_agent_runs_unpacked_under_debians_micropython(unpacked, embedded_broker, certs, tmp_path):
    settings = gateway.write(tmp_path / "etc", certs, gateway.values(embedded_broker))
    environment = dict(os.environ, LINKPULSE_MICROPYTHON=str(trixie.through_its_loader(tmp_path)))
    with gateway.service(embedded_broker, certs) as heard:
        command = [unpacked / "usr/bin/linkpulse-agent", settings]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            heard.accepted()
            resident = status(process.pid, "VmHWM")
        finally:
            said = ended(process)
    assert resident <= RESIDENT, said


def main_process(booted) -> str:
    return booted.run("systemctl", "show", "--property=MainPID", "--value", "linkpulse").stdout.strip()


def first_report_of(booted, heard, pid):
    """The first report that this process had accepted, once its own line about it is in the journal."""
    seen = {}
    while True:
        outcome = heard.accepted(lambda: booted.run("journalctl", "--no-pager", "--unit=linkpulse").stdout)
        seen[outcome.report_id] = outcome
        lines = booted.run("journalctl", "--no-pager", "--output=cat", f"_PID={pid}").stdout.splitlines()
        if len(lines) > 1:
            assert "started. It sees: " in lines[0]
            return seen[json.loads(lines[1])["report_id"]]


def test_service_runs_under_systemd_with_a_key_that_only_root_can_read(root, embedded_broker, certs, tmp_path):
    settings = gateway.write(root / "etc/linkpulse", certs, gateway.values(embedded_broker))
    assert settings.with_name("key.der").stat().st_mode & 0o777 == 0o600
    with gateway.service(embedded_broker, certs) as heard, trixie.Booted(root, tmp_path / "log") as booted:
        pid = main_process(booted)  # at boot: the package has enabled it
        first = first_report_of(booted, heard, pid)
        process = booted.run("cat", f"/proc/{pid}/status").stdout
        resident = int(re.search(r"VmHWM:\s+(\d+) kB", process)[1])
        copy = booted.run("stat", "--format=%a", "/run/linkpulse/etc/key.der").stdout.strip()
        assert booted.run("systemctl", "restart", "linkpulse").returncode == 0
        again = main_process(booted)
        second = first_report_of(booted, heard, again)
        assert booted.run("systemctl", "stop", "linkpulse").returncode == 0
        left = booted.run("ls", "-A", "/run/private").stdout

    facts = dict(re.findall(r"^(\w+):\s+(\w+)", process, re.MULTILINE))
    assert facts["Uid"] != "0"
    assert copy == "600"
    assert (facts["CapEff"], facts["CapBnd"], facts["NoNewPrivs"], facts["Seccomp"]) == ("0" * 16, "0" * 16, "1", "2")
    assert resident <= RESIDENT
    ports = [row["port"] for row in first.verdict.report["metrics"]["listening_tcp_ports"]["ports"]]
    assert embedded_broker.port in ports
    assert again != pid
    assert "network_stats" not in first.verdict.report["metrics"]
    assert "network_stats" in second.verdict.report["metrics"]  # the restart lost no interval
    assert left == ""
    assert (root / "var/lib/private/linkpulse/linkpulse.state").exists()


def test_purge_leaves_settings_and_keys_and_nothing_else(root):
    kept = root / "etc/linkpulse/settings.json"
    kept.write_text("{}")
    done = trixie.dpkg(root, "--purge", "linkpulse")
    assert done.returncode == 0, done.stderr
    assert kept.exists()
    assert not [name for name in ("usr/lib/linkpulse", UNIT, "var/lib/private/linkpulse") if (root / name).exists()]
