"""A proc root on disk with any number of sockets, for what needs no live ones. Everything in it is made up."""

from pathlib import Path

DEV = """Inter-|   Receive                            |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
  eth0: {0} {1}    0    0    0     0          0         0 {2} {3}    0    0    0     0       0          0
"""
ROUTE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
TCP_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
UDP_HEAD = " " + TCP_HEAD + " ref pointer drops"
HERE, NOBODY = "0A01A8C0", "00000000"  # 192.168.1.10, 0.0.0.0
LISTEN, ESTABLISHED, UNCONNECTED = "0A", "01", "07"
COUNTERS = (29358693495, 26485035, 5600609041, 19172216)


def make(root: Path, connections: int, tcp=(22, 443, 8883), udp=(68, 5353), counters=COUNTERS) -> Path:
    """Write net/{dev,route,tcp,udp} under `root`: listeners on 192.168.1.10, that many connections to others."""
    net = root / "net"
    net.mkdir(parents=True, exist_ok=True)
    (net / "dev").write_text(DEV.format(*counters))
    (net / "route").write_text(ROUTE)
    listening = [(HERE, port, NOBODY, 0, LISTEN) for port in tcp]
    rows = [
        (HERE, 40000 + i % 20000, f"{1 + i // 250 % 250:02X}{1 + i % 250:02X}A8C0", 8883, ESTABLISHED)
        for i in range(connections)
    ]
    (net / "tcp").write_text(_table(TCP_HEAD, listening + rows, 149))
    (net / "udp").write_text(_table(UDP_HEAD, [(HERE, port, NOBODY, 0, UNCONNECTED) for port in udp], 127))
    return root


def _table(head: str, rows: list, width: int) -> str:
    # The kernel pads each line.
    lines = [head]
    for i, (local, local_port, remote, remote_port, state) in enumerate(rows):
        lines.append(
            f"{i:4}: {local}:{local_port:04X} {remote}:{remote_port:04X} {state}"
            f" 00000000:00000000 00:00000000 00000000     0        0 {1000 + i} 1 0000000000000000 100 0 0 10 0"
        )
    return "".join(f"{line:<{width}}\n" for line in lines)
