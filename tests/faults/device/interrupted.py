"""A device as firmware/main.py runs it, to be interrupted. Arguments: a file with settings."""

import gc

gc.threshold(4096)  # collect while modules load, so that the heap stays in one piece

import json
import sys

import linkpulse
from linkpulse.settings import Settings

with open(sys.argv[1]) as f:
    agent = linkpulse.Agent(Settings(json.load(f)))
linkpulse.forget("settings")
del Settings
agent.run(lambda: print(agent.status()["outcome"]))
