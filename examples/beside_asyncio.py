"""Runs the agent beside the application's own asyncio tasks, and pauses it for a while.

Other tasks run while the agent waits for the next report and for its answer. They do not run while it resolves the
broker's name, connects, computes the TLS handshake and publishes. Each of these takes at most the setting `timeout`,
and publishing three times that if an acknowledgement is missing. Only resolving a name can take longer, on some
platforms. Put work that cannot wait that long into an interrupt or a timer.
"""

import gc

gc.threshold(4096)  # collect while modules load, so that the heap stays in one piece

import asyncio
import sys
from linkpulse import Agent
from linkpulse.settings import load


async def work():
    """The application's own work."""
    while True:
        print("working")
        await asyncio.sleep_ms(500)


async def main(path):
    agent = Agent(load(path))
    accepted = asyncio.Event()

    def on_outcome():
        print("report", agent.status()["outcome"])
        if agent.status()["outcome"] == "accepted":
            accepted.set()

    own = asyncio.create_task(work())
    reports = asyncio.create_task(agent.run_async(on_outcome))
    await accepted.wait()

    # Cancelling closes the connection. The agent keeps its counters and can run again.
    reports.cancel()
    try:
        await reports
    except asyncio.CancelledError:
        print("no reports for three seconds")
    await asyncio.sleep(3)
    reports = asyncio.create_task(agent.run_async(on_outcome))
    await asyncio.gather(own, reports)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "settings.json"))
