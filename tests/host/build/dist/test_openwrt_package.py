"""The OpenWrt package, as far as that can be seen without OpenWrt: its Makefile run by make, its scripts by busybox.

OpenWrt's own programs have stand-ins here: the buildroot's rules, `uci show` in the format of uci's source, procd's
shell functions. None of this was run on OpenWrt.
"""

import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from linkpulse_tools.build.dist import linux as dist_linux
from linkpulse_tools.build.dist import openwrt as dist_openwrt
from tests.host.build.dist import gateway

RULES = """
INCLUDE_DIR := $(TOPDIR)
INSTALL_DIR := install -d -m0755
INSTALL_BIN := install -m0755
INSTALL_DATA := install -m0644
INSTALL_CONF := install -m0600
CP := cp -fpR
PKG_BUILD_DIR := $(TOPDIR)/build
"""
PACKAGE = """
define BuildPackage
install:
	mkdir -p $(PKG_BUILD_DIR) && $(CP) ./src/* $(PKG_BUILD_DIR)
	$(Build/Compile)
	$(call Package/$(1)/install,$(TOPDIR)/root)
	$$(info $$(Package/$(1)))
endef
"""
# What /etc/rc.common and procd give an init script; each call is a line in the file `calls`.
RC_COMMON = r"""
config_load() { CONFIG=$1; }
config_get_bool() { # variable section option default
    case $(uci -q get "$CONFIG.$2.$3" || echo "$4") in
        1|on|true|yes|enabled) eval "$1=1" ;;
        *) eval "$1=0" ;;
    esac
}
logger() { for word; do :; done; echo "$word" >&2; }
chown() { echo "chown $*" >>"$TEST/calls"; }
for name in open_instance set_param close_instance add_reload_trigger; do
    eval "procd_$name() { echo \"$name \$*\" >>\"\$TEST/calls\"; }"
done
"""
GOOD = {"thing": "gateway-7", "host": "broker.example.org", "ca": "/c", "cert": "/c", "key": "/k"}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """What the package puts on a router, by its own Makefile."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    folder = tmp_path_factory.mktemp("openwrt")
    (archive,) = dist_openwrt.build(folder)
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    (folder / "rules.mk").write_text(RULES)
    (folder / "package.mk").write_text(PACKAGE)
    done = subprocess.run(["make", "-s", f"TOPDIR={folder}", "install"], cwd=folder / "linkpulse", capture_output=True)
    assert done.returncode == 0, done.stderr
    (folder / "package").write_bytes(done.stdout)
    return folder / "root"


def shown(options: dict) -> str:
    """`uci show linkpulse`, as uci prints it: every value in single quotes, a quote in it as '\\''."""

    def quoted(value):
        return "'" + value.replace("'", "'\\''") + "'"

    lines = [f"linkpulse.main.{name}={' '.join(map(quoted, value))}" for name, value in options.items()]
    return "\n".join(["linkpulse.main=agent", *lines]) + "\n"


def converted(root, micropython, options: dict, text: bytes | None = None):
    """The finished converter, of options (lists of texts by name)."""
    given = shown(options).encode() if text is None else text
    return subprocess.run([micropython, root / "usr/lib/linkpulse/uci.py"], input=given, capture_output=True)


def one_each(**more) -> dict:
    return {name: [value] for name, value in {**GOOD, **more}.items()}


def test_makefile_puts_everything_in_place(root):
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith("usr/lib/linkpulse/linkpulse/")} == {
        "etc/config/linkpulse",
        "etc/init.d/linkpulse",
        "usr/bin/linkpulse-agent",
        "usr/lib/linkpulse/main.py",
        "usr/lib/linkpulse/check.py",
        *(f"usr/lib/linkpulse/probes/{name}.py" for name in dist_linux.PROBES),
        "usr/lib/linkpulse/microcbor.py",
        "usr/lib/linkpulse/uci.py",
        "usr/lib/linkpulse/umqtt/simple.py",
    }
    assert [name for name, path in found.items() if path.stat().st_mode & 0o111] == [
        name for name in found if name in ("etc/init.d/linkpulse", "usr/bin/linkpulse-agent")
    ]
    about = (root.parent / "package").read_text()
    assert "DEPENDS:=+micropython-mbedtls" in about
    assert "PKGARCH:=all" in about


@pytest.mark.parametrize(
    "value",
    [
        "it's",
        "'",
        "''a''",
        'say "hello"',
        "back\\slash \\n \\'",
        "two  spaces, a\ttab",
        "a\nnewline\n",
        "linkpulse.main.port='1'\nlinkpulse.main.host='evil'",
        "$(reboot) `reboot` ; & | > <",
        "Zürich 東京 🛰",
        "=",
        "\x01\x7f",
    ],
)
def test_any_text_arrives_as_it_is(root, micropython, value):
    done = converted(root, micropython, {**one_each(host=value), "include": [value, "br-lan", value]})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {**GOOD, "host": value, "include": [value, "br-lan", value]}


def test_types_are_the_agents_own(root, micropython):
    options = one_each(enabled="1", port="8884", loopback="on", allow_short_interval="0", interval="600", proc="/p")
    done = converted(root, micropython, {**options, "exclude": ["ifb*"], "include": ["br-lan", "wan"]})
    assert json.loads(done.stdout) == {
        **GOOD,
        "port": 8884,
        "loopback": True,
        "allow_short_interval": False,
        "interval": 600,
        "proc": "/p",
        "exclude": ["ifb*"],
        "include": ["br-lan", "wan"],
    }


@pytest.mark.parametrize(
    "more,reason",
    [
        ({"hots": "h"}, "hots: there is no such setting, did you mean host?"),
        ({"port": "lots"}, "port: must be an integer from 1 to 65535"),
        ({"port": "0"}, "port: must be an integer from 1 to 65535"),
        ({"loopback": "maybe"}, "loopback: must be true or false"),
        ({"thing": "a\nb"}, "thing: must be without control characters"),
    ],
)
def test_what_cannot_work_is_named_and_nothing_is_written(root, micropython, more, reason):
    done = converted(root, micropython, one_each(**more))
    assert (done.returncode, done.stdout) == (78, b"")
    assert done.stderr.decode().startswith("/etc/config/linkpulse: in the settings: ")
    assert reason in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        b"linkpulse.main.thing='\xff'\n",
        b"linkpulse.main.thing='cut",
        b"no sign of equality\n",
        b"linkpulse.main.thing=",
    ],
)
def test_text_that_is_not_ucis_is_refused(root, micropython, text):
    done = converted(root, micropython, {}, text)
    assert (done.returncode, done.stdout) == (78, b"")
    assert done.stderr.startswith(b"/etc/config/linkpulse: ")
    assert b"Traceback" not in done.stderr


def configured(path: Path) -> dict:
    """The options of a file of /etc/config, in uci's own syntax."""
    options: dict = {}
    for kind, name, value in re.findall(r"^\t(option|list) (\w+) '([^']*)'$", path.read_text(), re.MULTILINE):
        options.setdefault(name, []).append(value)
        assert kind == "list" or len(options[name]) == 1
    return options


class Router:
    """The init script under busybox ash, with stand-ins for what OpenWrt gives it, in a folder."""

    def __init__(self, root: Path, folder: Path, micropython: str, options: dict):
        self.folder, self.calls = folder, folder / "calls"
        self.run, self.keys = folder / "run", folder / "keys"
        programs = folder / "bin"
        programs.mkdir()
        (programs / "micropython").symlink_to(micropython)
        (folder / "shown").write_text(shown(options))
        enabled = options.get("enabled", [""])[0]
        uci = programs / "uci"
        uci.write_text(f'#!/bin/sh\ncase $2 in show) cat "{folder}/shown" ;; get) echo "{enabled}" ;; esac\n')
        uci.chmod(0o755)
        (folder / "rc.common").write_text(RC_COMMON)
        script = (root / "etc/init.d/linkpulse").read_text()
        here = {"LIB": root / "usr/lib/linkpulse", "KEYS": self.keys, "RUN": self.run}
        for name, path in here.items():
            script, found = re.subn(f"^{name}=.*$", f"{name}='{path}'", script, flags=re.MULTILINE)
            assert found == 1
        (folder / "init").write_text(script)
        self.environment = {"PATH": f"{programs}:{os.environ['PATH']}", "TEST": str(folder)}

    def call(self, function: str) -> subprocess.CompletedProcess:
        """Run a function of the script, as rc.common does."""
        text = f'. "$TEST/rc.common"; . "$TEST/init"; {function}'
        command = ["busybox", "ash", "-c", text]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True)

    def parameters(self) -> dict:
        """What procd was told of the instance."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        words = [line.split() for line in lines if line.startswith("set_param ")]
        return {name: values for _, name, *values in words}


@pytest.fixture
def router(root, tmp_path, micropython):
    """router(options) -> a Router with these in /etc/config/linkpulse."""
    if not shutil.which("busybox"):
        pytest.skip("busybox is not installed")
    return lambda options: Router(root, tmp_path, micropython, options)


def test_service_is_off_until_it_is_configured(router, root):
    options = configured(root / "etc/config/linkpulse")
    assert options["enabled"] == ["0"]
    off = router(options)
    assert off.call("start_service").returncode == 0
    assert off.parameters() == {}
    assert not off.run.exists()


def test_packaged_configuration_needs_only_a_thing_and_a_host(router, root):
    options = configured(root / "etc/config/linkpulse") | one_each(enabled="1")
    on = router(options)
    assert on.call("start_service; service_triggers").returncode == 0
    parameters = on.parameters()
    assert parameters["command"] == ["/usr/bin/linkpulse-agent", f"{on.run}/settings.json"]
    assert (parameters["user"], parameters["no_new_privs"]) == (["linkpulse"], ["1"])
    assert parameters["respawn"] == ["3600", "30", "0"]
    assert "add_reload_trigger linkpulse" in on.calls.read_text()
    assert f"chown -R linkpulse:linkpulse {on.keys} {on.run}" in on.calls.read_text()
    for folder in (on.keys, on.run):
        assert folder.stat().st_mode & 0o077 == 0
    assert (on.run / "settings.json").stat().st_mode & 0o077 == 0


def test_wrong_configuration_starts_nothing_and_is_said(router):
    wrong = router(one_each(enabled="1", hots="h"))
    done = wrong.call("start_service")
    assert done.returncode == 1
    assert "hots: there is no such setting, did you mean host?" in done.stderr
    assert wrong.parameters() == {}


def test_agent_reports_as_the_init_script_starts_it(router, root, embedded_broker, certs, tmp_path):
    gateway.write(tmp_path / "keys", certs, {})
    given = gateway.values(
        embedded_broker, **{name: str(tmp_path / f"keys/{name}.der") for name in ("ca", "cert", "key")}
    )
    options = {name: [str(int(value) if isinstance(value, bool) else value)] for name, value in given.items()}
    on = router({**options, "enabled": ["1"], "baseline": [str(tmp_path / "run/baseline")]})
    done = on.call("start_service")
    assert done.returncode == 0, done.stderr
    command = on.parameters()["command"]
    command[0] = str(root / command[0].lstrip("/"))
    with gateway.service(embedded_broker, certs) as heard:
        process = subprocess.Popen(["busybox", "ash", *command], env=on.environment, stdout=subprocess.DEVNULL)
        try:
            outcome = heard.accepted()
        finally:
            process.kill()
            process.wait()
    assert "listening_tcp_ports" in outcome.verdict.report["metrics"]
