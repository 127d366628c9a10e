"""A Linux gateway: only the way out is counted, a restart loses nothing, a supervisor finds the status in a file.

    micropython gateway.py /etc/linkpulse/settings.json /run/linkpulse

The second argument is a folder in a tmpfs. Ctrl-C, or SIGINT, closes the connection in order. SIGTERM ends MicroPython
at once; that loses nothing, since the baseline is written whenever a report was accepted.
"""

import json
import os
import sys
from linkpulse import Agent
from linkpulse.collect.linux import Collector
from linkpulse.settings import load
from linkpulse.agent.status import DEBUG, ERROR, INFO

PRIORITY = {ERROR: 3, INFO: 6, DEBUG: 7}  # as syslog counts; systemd's journal and sd-daemon(3) read it off a line


def uplinks(proc):
    """Interfaces with an IPv4 default route: destination and mask 0. None of them: all interfaces are counted."""
    found = []
    with open(proc + "/net/route") as f:
        for line in f:
            row = line.split()
            if row[1] == row[7] == "00000000":
                found.append(row[0])
    return found


def log(level, text):
    print(f"<{PRIORITY[level]}>{text}", file=sys.stderr)


def told():
    with open(folder + "/status.json.new", "w") as f:
        json.dump(agent.status(), f)
    os.rename(folder + "/status.json.new", folder + "/status.json")


settings = load(sys.argv[1])
folder = sys.argv[2]
settings.baseline = folder + "/baseline"
agent = Agent(settings, Collector(settings.proc, settings.loopback, uplinks(settings.proc)), log)
try:
    agent.run(told)
except KeyboardInterrupt:
    log(INFO, "interrupted")
