"""The report's keys, long and short (report format: docs/report.md)."""

LONG = (
    b"header",
    b"report_id",
    b"version",
    b"metrics",
    b"tcp_connections",
    b"established_connections",
    b"connections",
    b"remote_addr",
    b"local_port",
    b"local_interface",
    b"listening_tcp_ports",
    b"listening_udp_ports",
    b"ports",
    b"port",
    b"interface",
    b"total",
    b"network_stats",
    b"bytes_in",
    b"packets_in",
    b"bytes_out",
    b"packets_out",
)
SHORT = (
    b"hed", b"rid", b"v", b"met", b"tc", b"ec", b"cs", b"rad", b"lp", b"li", b"tp", b"up", b"pts", b"pt", b"if", b"t",
    b"ns", b"bi", b"pi", b"bo", b"po",
)  # fmt: skip
