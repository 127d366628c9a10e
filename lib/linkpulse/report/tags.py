# SPDX-License-Identifier: MIT
"""The long and short keys of a report, in the same order (docs/report.md)."""

LONG = (
    b"header report_id version metrics tcp_connections established_connections connections remote_addr local_port "
    b"local_interface listening_tcp_ports listening_udp_ports ports port interface total network_stats bytes_in "
    b"packets_in bytes_out packets_out"
)
SHORT = b"hed rid v met tc ec cs rad lp li tp up pts pt if t ns bi pi bo po"


def keys(tag_set):
    """The keys for "long" or "short" tags. They are made when needed, because a device uses only one of the two."""
    return (LONG if tag_set == "long" else SHORT).split(b" ")
