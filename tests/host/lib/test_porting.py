"""The template of docs/porting.md passes the contract that the document names."""

import re

from contract import check

from linkpulse_tools import paths


class Platform:
    up = True
    interfaces = ((b"lo", (9, 9, 9, 9)), (b"eth0", (1000, 10, 2**32 - 1, 20)))
    connections = (
        (bytes((198, 51, 100, 7)), 40000, 8883),
        (bytes((127, 0, 0, 1)), 40001, 80),
        (bytes(15) + b"\7", 1, 2),
    )
    tcp = (443, 80, 22, 443)
    udp = (68,)


class Down(Platform):
    up = False


def test_template():
    text = (paths.ROOT / "docs" / "porting.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(compile(source, "porting.md", "exec"), names)
    for platform in (Platform, Down):
        without, _ = check(lambda loopback, platform=platform: names["Collector"](platform, loopback))
        assert without[:5] == [True, True, 3, 1, 2]
