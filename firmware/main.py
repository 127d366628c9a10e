# SPDX-License-Identifier: MIT
"""main.py of a board: runs the agent, and prints one line of JSON after every outcome.

A line about the start goes to standard error, which on a board is the same console.
"""

import gc

gc.threshold(4096)  # collect while modules load, so that the heap stays in one piece

import json
import sys
import linkpulse
from linkpulse.settings import load

agent = linkpulse.Agent(load(sys.argv[1] if len(sys.argv) > 1 else "settings.json"))
linkpulse.forget("settings")
del load
print(agent.started(), file=sys.stderr)
agent.run(lambda: print(json.dumps(agent.status())))
