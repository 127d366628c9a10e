"""Many bridges in a network namespace of their own, with listeners on their addresses, as the device sees them.

    python bridged.py '{"micropython": ..., "path": ..., "firmware": ..., "folder": ...}'

runs in the namespace, prints JSON, and keeps the sockets until its input ends.
"""

import json
import os
import socket
import subprocess
import sys

from tests.host.lib import live

BRIDGES = 45
SHARED_PORT, SUBNET_PORT, TWICE_PORT, BEHIND_PORT, ANY_PORT = 4000, 5000, 6000, 7000, 8000
CHOICES = {"all": {}, "included": {"include": ["br-1", "br-3*"]}, "excluded": {"exclude": ["br-1"]}}
SHARED = "fe80::5"
SUBNET = "10.200.0."  # both of the first two bridges are in it
TWICE = "10.201.0.1"  # both of them have it
BEHIND = "10.202.0.1"  # br-0 has it, but the only network around it leads to br-1


def prepare():
    live.ip("link", "set", "lo", "up")
    for i in range(BRIDGES):
        name = f"br-{i}"
        live.ip("link", "add", name, "type", "bridge")
        for address in (f"10.{i}.0.1/24", f"10.{i}.0.2/24", f"fd00:{i:x}::1/64"):
            live.ip("address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        live.ip("link", "set", name, "up")
    for i in range(2):
        live.ip("address", "add", f"{SHARED}/64", "dev", f"br-{i}", "nodad")
        live.ip("address", "add", f"{SUBNET}{i + 1}/24", "dev", f"br-{i}")
        live.ip("address", "add", f"{TWICE}/24", "dev", f"br-{i}")
    live.ip("address", "add", f"{BEHIND}/32", "dev", "br-0")
    live.ip("route", "add", "10.202.0.0/24", "dev", "br-1")


def listen(sockets):
    """Opens listeners and returns {port: bridge}."""
    where = {}
    for i in range(BRIDGES):
        for n, address in enumerate((f"10.{i}.0.2", f"fd00:{i:x}::1")):
            where[1000 * (n + 1) + i] = f"br-{i}"
            sockets.listen(address, 1000 * (n + 1) + i)
    for i in range(2):
        where[SHARED_PORT + i] = where[SUBNET_PORT + i] = f"br-{i}"
        sockets.listen(SHARED, SHARED_PORT + i, scope=socket.if_nametoindex(f"br-{i}"))
        sockets.listen(f"{SUBNET}{i + 1}", SUBNET_PORT + i)
        where[TWICE_PORT + i] = f"br-{i}"
        sockets.listen(TWICE, TWICE_PORT + i, device=f"br-{i}")
        where[ANY_PORT + i] = f"br-{i}"  # as a DHCP server
        sockets.udp("0.0.0.0", ANY_PORT + i, device=f"br-{i}")
    where[BEHIND_PORT] = "br-0"
    sockets.listen(BEHIND, BEHIND_PORT)
    return where


def seen(given, proc, **settings):
    """{port: interface, "" where none is said} of TCP and UDP in one report."""
    told = live.device(given, {"proc": proc, "format": "json", "tags": "long", **settings})
    metrics = json.loads(bytes.fromhex(told["report"]))["metrics"]
    listed = [metrics[f"listening_{protocol}_ports"].get("ports", ()) for protocol in ("tcp", "udp")]
    return {entry["port"]: entry.get("interface", "") for entries in listed for entry in entries}


def observe(given):
    """What is where, and what the device says of it in the namespace and from outside; None where none can be made."""
    command = live.namespace()
    if command is None:
        return None
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [*command, sys.executable, __file__, json.dumps(given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as inside:
        found = json.loads(inside.stdout.readline())
        for name, settings in CHOICES.items():
            outside = seen(given, f"/proc/{inside.pid}", **settings)
            found["outside"][name] = {str(port): interface for port, interface in outside.items()}
        inside.stdin.close()
    return found


def main():
    given = json.loads(sys.argv[1])
    prepare()
    sockets = live.Sockets()
    where = listen(sockets)
    own = {name: seen(given, "/proc", **settings) for name, settings in CHOICES.items()}
    print(json.dumps({"where": where, "own": own, "outside": {}}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
