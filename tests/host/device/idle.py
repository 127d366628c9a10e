"""An agent with nothing to do. Prints how often it woke up in some seconds: never connected, connected, as a task.

Argument: the settings file. The count is the process's own in /proc (proc(5), voluntary_ctxt_switches).
"""

import asyncio
import json
import sys

from linkpulse import Agent
from linkpulse.agent.schedule import after
from linkpulse.settings import load

SECONDS = 3


def switches():
    with open("/proc/self/status") as f:
        return [int(line.split()[1]) for line in f if line.startswith("voluntary")][0]


def idle(agent):
    """How often the process woke up in SECONDS."""
    before = switches()
    agent.pause(min(agent.step(), 1000 * SECONDS))
    return switches() - before


async def task(agent):
    running = asyncio.create_task(agent.run_async())
    await asyncio.sleep_ms(10)
    before = switches()
    await asyncio.sleep_ms(1000 * SECONDS)
    found = switches() - before
    running.cancel()
    return found


agent = Agent(load(sys.argv[1]))
agent.reports.next = after(100000)
found = [idle(agent)]
agent.reports.next = after(0)
while agent.status()["accepted"] == 0:
    agent.pause(agent.step())
found.append(idle(agent))
found.append(asyncio.run(task(agent)))
print(json.dumps({"seconds": SECONDS, "found": found}))
