"""Runs the agent on a Linux gateway.

    micropython gateway.py /etc/linkpulse/settings.json /run/linkpulse

It reports only the interfaces that lead to the Internet. A restart loses no traffic, and the status is in a file for a
supervisor. The second argument is a folder in a tmpfs. Ctrl-C, or SIGINT, closes the connection first. SIGTERM ends
MicroPython at once, which loses nothing, because the baseline is written whenever a report is accepted.
"""

import json
import os
import sys
from linkpulse import Agent
from linkpulse.collect.linux import Collector
from linkpulse.settings import load
from linkpulse.agent.status import DEBUG, ERROR, INFO

PRIORITY = {
    ERROR: 3,
    INFO: 6,
    DEBUG: 7,
}  # the levels of syslog, which systemd's journal reads from a line: sd-daemon(3)


def uplinks(proc):
    """The interfaces with an IPv4 default route (destination and mask 0). If there are none, all interfaces are
    reported."""
    found = []
    with open(proc + "/net/route") as f:
        for line in f:
            row = line.split()
            if row[1] == row[7] == "00000000":
                found.append(row[0])
    return found


def log(level, text):
    print(f"<{PRIORITY[level]}>{text}", file=sys.stderr)


def on_outcome():
    with open(folder + "/status.json.new", "w") as f:
        json.dump(agent.status(), f)
    os.rename(folder + "/status.json.new", folder + "/status.json")


settings = load(sys.argv[1])
folder = sys.argv[2]
settings.baseline = folder + "/baseline"
agent = Agent(settings, Collector(settings.proc, settings.loopback, uplinks(settings.proc)), log)
try:
    agent.run(on_outcome)
except KeyboardInterrupt:
    log(INFO, "interrupted")
