"""Runs under CPython: makes reports with AWS's agent as often as it is told, without sending them.

Commands as in device/serve.py: "report TIMES" lines, or `peer.py report TIMES` once. Reports are JSON with long tags:
with short ones this agent fails from its second report on.
"""

import sys

from AWSIoTDeviceDefenderAgentSDK.collector import Collector

collector = Collector(short_metrics_names=False, use_custom_metrics=False)


def report():
    return collector.collect_metrics().to_json_string()


def command(words):
    if words[0] == "bytes":
        return report().encode().hex()
    for _ in range(int(words[1])):
        report()
    return "ok"


if len(sys.argv) > 1:
    command(sys.argv[1:])
else:
    print("ready", flush=True)
    for line in sys.stdin:
        print(command(line.split()), flush=True)
