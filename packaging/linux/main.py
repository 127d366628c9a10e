"""Runs the agent on a Linux machine, and prints one line of JSON after every outcome. The argument is the settings
file. A line about the start goes to standard error.

Report ids and the baseline are kept in the folders STATE_DIRECTORY and RUNTIME_DIRECTORY, which the service manager
sets, unless the settings name files. The exit codes are those of sysexits.h: 78 if the settings cannot work, 69 if a
module is missing. After Ctrl-C it is 130.
"""

import gc

gc.threshold(4096)  # collect while modules load, so that the heap stays small

import json
import os
import sys
import linkpulse
from linkpulse.errors import LinkpulseError
from linkpulse.settings import load


def settings(path):
    found = load(path)
    with open(path) as f:
        given = json.load(f)
    for name, file, variable in (
        ("state", "linkpulse.state", "STATE_DIRECTORY"),
        ("baseline", "baseline", "RUNTIME_DIRECTORY"),
    ):
        folder = os.getenv(variable)
        if folder and name not in given:
            setattr(found, name, folder + "/" + file)
    return found


try:
    agent = linkpulse.Agent
except AttributeError as e:
    print("linkpulse-agent: %s: MICROPYPATH must name the folders of linkpulse and umqtt.simple" % e, file=sys.stderr)
    sys.exit(69)
try:
    agent = agent(settings(sys.argv[1]))
except LinkpulseError as e:
    print("linkpulse-agent: %s" % e, file=sys.stderr)
    sys.exit(78)
linkpulse.forget("settings")
del load
print(agent.started(), file=sys.stderr)
try:
    agent.run(lambda: print(json.dumps(agent.status())))
except KeyboardInterrupt:
    sys.exit(130)
