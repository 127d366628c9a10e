"""Reports to spoil: a full valid one, and the same with short tags."""

import copy

from linkpulse_tools.defender.schema import SHORT

FULL = {
    "header": {"report_id": 1530304554, "version": "1.0"},
    "metrics": {
        "tcp_connections": {
            "established_connections": {
                "connections": [
                    {"remote_addr": "192.0.2.7:443", "local_port": 47602, "local_interface": "eth0.100"},
                    {"remote_addr": "[2001:db8::1]:8883", "local_port": 50000},
                ],
                "total": 7,
            }
        },
        "listening_tcp_ports": {"ports": [{"port": 22, "interface": "br-lan"}, {"port": 80}], "total": 2},
        "listening_udp_ports": {"ports": [], "total": 0},
        "network_stats": {"bytes_in": 1157864729406, "bytes_out": 0, "packets_in": 1, "packets_out": 2},
    },
    "custom_metrics": {
        "temperature": [{"number": 21.5}],
        "a:b_c-d": [{"number_list": [1, 2]}],
        "names": [{"string_list": ["t", ""]}],
        "peers": [{"ip_list": ["192.0.2.1", "2001:db8::"]}],
    },
}


def full() -> dict:
    """A fresh copy of a valid report with every block."""
    return copy.deepcopy(FULL)


def shorten(value):
    """The same report with short tags; custom metrics keep their names."""
    if isinstance(value, list):
        return [shorten(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {SHORT[k]: v if k == "custom_metrics" else shorten(v) for k, v in value.items()}
