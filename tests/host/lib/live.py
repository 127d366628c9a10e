"""Real sockets in a network namespace of their own, as the device's code, psutil and ss see them at one moment.

    python live.py '{"micropython": ..., "path": ..., "firmware": ..., "folder": ...}'

runs in the namespace and prints JSON. `observe` starts it, with root's rights or in a user namespace.
"""

import contextlib
import functools
import ipaddress
import json
import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import psutil

CONNECTIONS = 1000
TRIES = 10
LAN, VLAN = "br-lan", "eth0.100"  # names that have been misread before
ADDRESSES = ((LAN, "10.1.2.3/24"), (VLAN, "10.9.0.1/16"), (LAN, "fd00:1::1/64"), (VLAN, "fd00:9::1/64"))
RUNS = (
    ("nothing", False, "cbor", "short"),
    ("mixed", False, "cbor", "short"),
    ("mixed", False, "json", "long"),
    ("mixed", True, "cbor", "long"),
    ("mixed", True, "json", "short"),
    ("ports", False, "json", "long"),
    ("ports", True, "cbor", "short"),
    ("many", False, "cbor", "short"),
    ("many", True, "json", "long"),
)


def namespace():
    """The command that makes a namespace, None where that is not allowed."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and not subprocess.run([*command, "true"], capture_output=True).returncode:
            return command
    return None


@functools.cache
def observe(micropython, path, firmware, folder):
    """What was seen, {"runs": [...], "traffic": [...], "outside": {...}}; None where no namespace can be made."""
    command = namespace()
    if command is None or not shutil.which("ip") or not shutil.which("ss"):
        return None
    given = {"micropython": micropython, "path": path, "firmware": firmware, "folder": folder}
    inside = subprocess.Popen(
        [*command, sys.executable, __file__, json.dumps(given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        seen = json.loads(inside.stdout.readline() or "null")
        if seen is not None:
            # It waits with the mixed sockets open: the same namespace through its process's folder in /proc.
            settings = {"proc": f"/proc/{inside.pid}", "loopback": True, "format": "json", "tags": "long"}
            seen["outside"].update(device(given, settings))
        errors = inside.communicate("", timeout=30)[1]
    finally:
        inside.kill()
        inside.wait()
    assert seen is not None and inside.returncode == 0, errors
    return seen


def device(given, settings):
    """One report of the device's code, and what it wrote to standard error."""
    file = Path(given["folder"]) / "settings.json"
    file.write_text(json.dumps({"thing": "thing-1", "connections": 500, **settings}))
    command = [given["micropython"], "-X", "heapsize=256K", given["firmware"] + "/report.py", str(file)]
    env = {**os.environ, "MICROPYPATH": given["path"]}
    done = subprocess.run(command, env=env, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    # The line on what the platform can see is no error.
    errors = "".join(line for line in done.stderr.decode().splitlines(True) if not line.startswith("seen: "))
    return {"report": done.stdout.hex(), "errors": errors}


def view(rows, interfaces, loopback):
    """Rows (protocol, state, local address, port, remote address, port) as what a report should say of them."""
    seen = {"tcp": set(), "udp": set(), "connections": []}
    for protocol, state, local, port, remote, remote_port in rows:
        local = plain(local)
        if local.is_loopback and not loopback:
            continue
        other = "lo" if local.is_loopback else ""  # all of 127.0.0.0/8, not only the address that it has
        interface = "" if local.is_unspecified else interfaces.get(str(local), other)
        if state == "listening":
            seen[protocol].add((port, interface))
        elif protocol == "tcp":
            remote = plain(remote)
            text = f"[{remote}]" if remote.version == 6 else str(remote)
            seen["connections"].append((f"{text}:{remote_port}", port, interface))
    return {kind: sorted(found) for kind, found in seen.items()}


def plain(text):
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def psutil_rows():
    for c in psutil.net_connections("inet"):
        protocol = "tcp" if c.type == socket.SOCK_STREAM else "udp"
        if c.status == "LISTEN" or (protocol == "udp" and not c.raddr):
            yield protocol, "listening", c.laddr.ip, c.laddr.port, None, 0
        elif c.status == "ESTABLISHED":
            yield protocol, "connected", c.laddr.ip, c.laddr.port, c.raddr.ip, c.raddr.port


def psutil_interfaces():
    return {str(plain(a.address)): name for name, found in psutil.net_if_addrs().items() for a in found if _is_ip(a)}


def _is_ip(address):
    return address.family in (socket.AF_INET, socket.AF_INET6)


def ss_rows():
    for protocol, option in (("tcp", "-Htan"), ("udp", "-Huan")):
        for line in subprocess.run(["ss", option], capture_output=True, text=True, check=True).stdout.splitlines():
            state, _, _, local, remote = line.split()[:5]
            if state in ("LISTEN", "UNCONN"):
                yield protocol, "listening", *ss_address(local), None, 0
            elif state == "ESTAB":
                yield protocol, "connected", *ss_address(local), *ss_address(remote)


def ss_address(text):
    address, _, port = text.rpartition(":")
    address = "::" if address == "*" else address.partition("%")[0].strip("[]")
    return address, int(port) if port != "*" else 0


def ss_interfaces():
    listed = json.loads(subprocess.run(["ip", "-json", "address"], capture_output=True, check=True).stdout)
    return {str(plain(a["local"])): link["ifname"] for link in listed for a in link["addr_info"]}


def snapshot(loopback):
    return {
        "psutil": view(psutil_rows(), psutil_interfaces(), loopback),
        "ss": view(ss_rows(), ss_interfaces(), loopback),
    }


def at_one_moment(given, settings):
    """The device's report between two equal snapshots."""
    for _ in range(TRIES):
        before = snapshot(settings["loopback"])
        told = device(given, settings)
        if snapshot(settings["loopback"]) == before:
            return {**before, **told}
    raise AssertionError("the sockets never kept still")


# --- inside the namespace


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def prepare():
    with contextlib.suppress(OSError):
        Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
    ip("link", "set", "lo", "up")
    ip("link", "add", LAN, "type", "veth", "peer", "name", VLAN)
    for name, address in ADDRESSES:
        ip("address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
    for name in (LAN, VLAN):
        ip("link", "set", name, "up")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Sockets:
    """Opens sockets and keeps them."""

    def __init__(self):
        self.open = []

    def listen(self, address, port=0, only6=True, **options):
        s = self._bound(address, port, socket.SOCK_STREAM, only6, **options)
        s.listen(1024)
        return s

    def udp(self, address, port=0, **options):
        return self._bound(address, port, socket.SOCK_DGRAM, **options)

    def connect(self, listener, to, source):
        """Both ends of a connection from an address to a listener."""
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        s = socket.socket(family, socket.SOCK_STREAM)
        s.bind((source, 0))
        s.connect((to, listener.getsockname()[1]))
        self.open += [s, listener.accept()[0]]
        return s

    def close(self):
        for s in self.open:
            # No TIME_WAIT left behind for the next scenario.
            with contextlib.suppress(OSError):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        self.open.clear()

    def _bound(self, address, port, kind, only6=True, share=False, scope=0, device=""):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        s = socket.socket(family, kind)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only6)
        if share:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if device:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        s.bind((address, port, 0, scope) if scope else (address, port))
        self.open.append(s)
        return s


def nothing(sockets):
    pass


def mixed(sockets):
    s = sockets
    for address in ("0.0.0.0", "::"):
        s.listen(address, 1022)  # one port, both families
    s.listen("::", 8080, only6=False)
    for address in ("127.0.0.1", "127.5.5.5", "::1", "10.1.2.3", "10.9.0.1", "fd00:1::1", "fd00:9::1"):
        s.listen(address, 1080)
        s.listen(address)
        s.udp(address, 1053)
        s.udp(address)
    for _ in range(3):
        s.listen("10.1.2.3", 1443, share=True)  # three listeners are one port
        s.udp("0.0.0.0", 1123, share=True)
    s.udp("::", 5353)
    link = socket.if_nametoindex(LAN)
    local = next(a.address.partition("%")[0] for a in psutil.net_if_addrs()[LAN] if a.address.startswith("fe80"))
    s.listen(local, 1090, scope=link)
    s.udp(local, 1546, scope=link)
    s.udp("10.1.2.3").connect(("10.9.0.1", 1053))
    s.udp("fd00:1::1").connect(("fd00:9::1", 1053))
    s.udp("127.0.0.1").connect(("127.0.0.1", 1053))
    every = s.listen("::", 1081, only6=False)
    for to, source in (
        ("10.1.2.3", "10.9.0.1"), ("10.1.2.3", "10.1.2.3"), ("127.0.0.1", "127.0.0.1"), ("fd00:1::1", "fd00:9::1"),
        ("::1", "::1"), ("127.3.3.3", "127.0.0.1"),
    ):  # fmt: skip
        for _ in range(3):
            s.connect(every, to, source)


def ports(sockets):
    # More than the 128 that a report lists.
    for port in range(2000, 2150):
        sockets.listen("10.1.2.3", port)
        sockets.listen("0.0.0.0" if port % 2 else "::1", port + 200)
        sockets.udp("10.9.0.1", port)


def many(sockets):
    four, six = sockets.listen("10.1.2.3"), sockets.listen("fd00:1::1")
    for i in range(CONNECTIONS):
        sockets.connect(*((four, "10.1.2.3", "10.9.0.1") if i % 2 else (six, "fd00:1::1", "fd00:9::1")))


REPORTS = """
import sys
from linkpulse.collect import choose
from linkpulse.report import Reporter
from linkpulse.settings import load
from linkpulse.report.report_ids import Ids
s = load(sys.argv[1], online=False)
r = Reporter(choose(s), s.thing, Ids().next, format="json", tags="long")
for line in sys.stdin:
    if line.strip() == "accepted":
        assert r.receive(r.accepted, ('{"reportId": %d}' % r.report_id).encode()).matches
        print("{}")
    else:
        print(str(r.report(), "utf-8"))
"""


class Moved(Exception):
    """The counters moved while the device read them."""


def traffic(given, include=()):
    """Differences by the device and by psutil of the same moments; the second of four reports is lost."""
    folder = Path(given["folder"])
    (folder / "reports.py").write_text(REPORTS)
    (folder / "settings.json").write_text(json.dumps({"thing": "thing-1", "include": list(include)}))
    command = [given["micropython"], str(folder / "reports.py"), str(folder / "settings.json")]
    env = {**os.environ, "MICROPYPATH": given["path"]}
    for _ in range(TRIES):
        with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                return four_reports(process, include or (LAN, VLAN))
            except Moved:  # the kernel's own packets: neighbours, multicast groups
                time.sleep(0.1)
            finally:
                process.stdin.close()
    raise AssertionError("the counters never kept still")


def four_reports(process, names):
    def ask(what):
        process.stdin.write(what + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    found = []
    baseline = None
    for step in range(4):
        send(step + 1)
        before = totals(names)
        report = ask("report")
        if totals(names) != before:
            raise Moved
        differences = baseline and {kind: before[kind] - baseline[kind] for kind in before}
        found.append({"device": report["metrics"].get("network_stats"), "psutil": differences})
        if step != 1:
            ask("accepted")
            baseline = before
    return found


def send(n):
    """n datagrams of 100 n bytes out of one interface and into the other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for _ in range(n):
            s.sendto(bytes(100 * n), ("10.1.2.255", 9))


def totals(names):
    every = psutil.net_io_counters(pernic=True, nowrap=False)
    kinds = (("bytes_in", "bytes_recv"), ("packets_in", "packets_recv"), ("bytes_out", "bytes_sent"))
    kinds += (("packets_out", "packets_sent"),)
    return {ours: sum(getattr(every[name], theirs) for name in names) for ours, theirs in kinds}


def main():
    given = json.loads(sys.argv[1])
    prepare()
    sockets = Sockets()
    runs = []
    for scenario, loopback, fmt, tags in RUNS:
        globals()[scenario](sockets)
        seen = at_one_moment(given, {"loopback": loopback, "format": fmt, "tags": tags})
        runs.append({"scenario": scenario, "loopback": loopback, "format": fmt, "tags": tags, **seen})
        sockets.close()
    counted = {"all": traffic(given), LAN: traffic(given, (LAN,))}
    mixed(sockets)  # open until the other side has looked at it from outside
    outside = {"scenario": "mixed", "loopback": True, "format": "json", "tags": "long", **snapshot(True)}
    print(json.dumps({"runs": runs, "traffic": counted, "outside": outside}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
