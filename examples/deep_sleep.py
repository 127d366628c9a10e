"""A report at each wake-up, then deep sleep: main.py of a board that lives on a battery.

A wake-up is a start: memory is empty, counters begin again. On boards that count from the start (docs/platforms.md) a
report has what this wake-up sent and received until then; on the others, whose first report never has traffic, none has
any. So the application's own work comes first; what the report itself takes is in no report.
"""

import gc

gc.threshold(4096)  # collect while modules load, so that the heap stays in one piece

import random
from linkpulse import Agent
from linkpulse.settings import load
from machine import deepsleep

settings = load("settings.json")
# With a state file every start reserves report ids in flash: a write at each wake-up. Without one ids are the time, and
# increase as the clock does. An ESP32's goes on in deep sleep; where it does not, a server in `ntp` sets it again.
settings.state = ""

# Here: the application's own work.

print(Agent(settings).once())

# The service refuses what comes within 300 s of the report before. Up to 33 s more, at random, so that a fleet that got
# its power back at once spreads out.
deepsleep(300000 + random.getrandbits(15))
