"""firmware/lwipstat compiled for this machine against a fake lwIP, with AddressSanitizer and every warning an error."""

import os
import shutil
import subprocess

import pytest

from linkpulse_tools.paths import FIRMWARE

HERE = FIRMWARE / "lwipstat"
COMPILER = next((found for found in map(shutil.which, ("cc", "gcc", "clang")) if found), None)
SOURCES = [HERE / name for name in ("sockets.c", "traffic.c", "modlwipstat.c", "test/test_lwipstat.c")]
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wundef", "-Wstrict-prototypes")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")
BUILDS = {
    "dual": {},
    "ipv4": {"LWIP_IPV6": 0},
    "ipv6": {"LWIP_IPV4": 0},
    "no-callback": {"LWIP_NETIF_EXT_STATUS_CALLBACK": 0},
    "esp-idf": {"ESP_PLATFORM": 1},
}
DEFAULTS = {"LWIP_IPV4": 1, "LWIP_IPV6": 1, "LWIP_NETIF_EXT_STATUS_CALLBACK": 1, "LWIP_SINGLE_NETIF": 0}


def compile_with(out, options, *more):
    """Compile the module and its test; what the compiler said when it refused."""
    defines = [f"-D{name}={value}" for name, value in {**DEFAULTS, **options}.items()]
    command = [COMPILER, "-std=gnu99", *WARNINGS, *defines, f"-I{HERE}", f"-I{HERE / 'test/fake'}", *more]
    done = subprocess.run([*command, "-o", out, *SOURCES], capture_output=True, text=True)
    assert not done.returncode, done.stderr


@pytest.fixture(scope="module", params=BUILDS)
def program(request, tmp_path_factory):
    if not COMPILER:
        pytest.skip("no C compiler")
    out = tmp_path_factory.mktemp("lwipstat") / request.param
    compile_with(out, BUILDS[request.param], *SANITIZERS)
    return out


def run(*command):
    # The lists live as long as the process does: nobody frees them.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_table_walk_and_hooks(program):
    names = run(program).stdout.split()
    assert len(names) > 10
    failed = {name: done.stderr for name in names if (done := run(program, name)).returncode}
    assert not failed, "\n".join(f"{name}: {text}" for name, text in failed.items())


def test_one_interface_only_compiles(tmp_path):
    if not COMPILER:
        pytest.skip("no C compiler")
    compile_with(tmp_path / "single", {"LWIP_SINGLE_NETIF": 1})


def test_the_sanitizer_sees_one_byte_too_far(tmp_path):
    """A record more than the buffer has room for is found: the test above can fail."""
    if not COMPILER:
        pytest.skip("no C compiler")
    text = (HERE / "sockets.c").read_text()
    wrong = text.replace("size / LWIPSTAT_SOCKET, 0 }", "(size + 39) / LWIPSTAT_SOCKET, 0 }")
    assert wrong != text
    (tmp_path / "sockets.c").write_text(wrong)
    sources = [tmp_path / "sockets.c", *SOURCES[1:]]
    defines = [f"-D{name}={value}" for name, value in DEFAULTS.items()]
    command = [COMPILER, "-std=gnu99", *SANITIZERS, *defines, f"-I{HERE}", f"-I{HERE / 'test/fake'}"]
    subprocess.run([*command, "-o", tmp_path / "wrong", *sources], check=True)
    assert "heap-buffer-overflow" in run(tmp_path / "wrong", "many_connections").stderr
