"""A device as firmware/main.py runs it, to be interrupted. Arguments: a file with settings."""

import gc

gc.threshold(4096)  # collect while modules load, so that the heap stays in one piece

import json
import sys

from linkpulse.agent import Agent
from linkpulse.settings import Settings

with open(sys.argv[1]) as f:
    agent = Agent(Settings(json.load(f)))
agent.run(lambda: print(agent.status()["outcome"]))
