"""The smallest program with an agent. On a board, it is main.py; on Linux, run `micropython minimal.py
settings.json`."""

import gc

gc.threshold(4096)  # collect while modules load, so that the heap stays in one piece

import sys
from linkpulse import Agent
from linkpulse.settings import load

agent = Agent(load(sys.argv[1] if len(sys.argv) > 1 else "settings.json"))


def on_outcome():
    """Called after every outcome: accepted, rejected, unknown (there was no answer) or error."""
    status = agent.status()
    print("report", status["report_id"], status["outcome"])
    for name, value in sorted(status.items()):
        print(" ", name, "=", value)


agent.run(on_outcome)
