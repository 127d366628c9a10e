"""Reports beside the application's own asyncio tasks, and for a while without them.

The agent gives way while it waits for the next report and for its answer. It holds the others up while it looks up the
broker's name, connects, computes the TLS handshake and publishes, each for the setting `timeout` at most (a name for as
long as the platform takes). What must not wait that long belongs in an interrupt or a timer.
"""

import gc

gc.threshold(4096)  # collect while modules load, so that the heap stays in one piece

import asyncio
import sys
from linkpulse import Agent
from linkpulse.settings import load


async def work():
    """The application: it measures, moves, answers."""
    while True:
        print("working")
        await asyncio.sleep_ms(500)


async def main(path):
    agent = Agent(load(path))
    accepted = asyncio.Event()

    def told():
        print("report", agent.status()["outcome"])
        if agent.status()["outcome"] == "accepted":
            accepted.set()

    own = asyncio.create_task(work())
    reports = asyncio.create_task(agent.run_async(told))
    await accepted.wait()

    # Cancelling closes the connection. The agent keeps what it has counted, and can run again.
    reports.cancel()
    try:
        await reports
    except asyncio.CancelledError:
        print("no reports for three seconds")
    await asyncio.sleep(3)
    reports = asyncio.create_task(agent.run_async(told))
    await asyncio.gather(own, reports)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "settings.json"))
