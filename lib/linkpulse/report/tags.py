"""The report's keys, long and short (report format: docs/report.md), in one order."""

LONG = (
    b"header report_id version metrics tcp_connections established_connections connections remote_addr local_port "
    b"local_interface listening_tcp_ports listening_udp_ports ports port interface total network_stats bytes_in "
    b"packets_in bytes_out packets_out"
)
SHORT = b"hed rid v met tc ec cs rad lp li tp up pts pt if t ns bi pi bo po"


def keys(tag_set):
    """The keys of "long" or "short" tags: made when they are wanted, since a device uses one of the two."""
    return (LONG if tag_set == "long" else SHORT).split(b" ")
