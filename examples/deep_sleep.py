"""Sends a report at each wake-up, then goes to deep sleep: main.py for a board with a battery.

Each wake-up is a new start: memory is empty and counters begin again. On boards that count from the start
(docs/platforms.md), a report contains what this wake-up has sent and received so far. On other boards, the first report
after a start never contains traffic, so no report does. Do the application's own work first: the traffic of the report
itself is in no report.
"""

import gc

gc.threshold(4096)  # collect while modules load, so that the heap stays in one piece

import random
from linkpulse import Agent
from linkpulse.settings import load
from machine import deepsleep

settings = load("settings.json")
# With a state file, each start would write to flash to reserve report ids. Without one, ids are taken from the clock.
# An ESP32's clock keeps running in deep sleep. On other boards, name a time server in `ntp`, which sets it again.
settings.state = ""

# Put the application's own work here.

print(Agent(settings).once())

# The service refuses a report that comes less than 300 s after the last one. The random part of up to 33 s spreads a
# fleet out that got its power back at the same time.
deepsleep(300000 + random.getrandbits(15))
