"""Sends reports over the application's own MQTT connection, because a board has memory for one connection only.

`client` is any umqtt.simple client that is not connected yet. The comments 1 to 4 show what linkpulse adds.
"""

import time
from linkpulse import Ids, Reporter
from linkpulse.collect import choose
from linkpulse.settings import Settings

INTERVAL = 300000  # ms; the service refuses reports that come sooner
COMMANDS = b"greenhouse/commands"


def run(client, thing):
    # 1. Make one reporter and keep it. It remembers the last accepted report, and the next one has the differences.
    settings = Settings({"thing": thing}, online=False)
    reporter = Reporter(choose(settings), thing, Ids("linkpulse.state").next)

    def received(topic, payload):
        # 2. Pass every message to the reporter. None means that the message is for the application.
        response = reporter.receive(topic, payload)
        if response is None:
            print("command:", payload)
        elif response.matches:
            print(response)

    client.set_callback(received)
    client.connect()
    # 3. Subscribe to the answers after every connect.
    for topic in (COMMANDS, reporter.accepted, reporter.rejected):
        client.subscribe(topic)
    due = time.ticks_ms()
    while True:
        client.check_msg()
        if time.ticks_diff(due, time.ticks_ms()) <= 0:
            # 4. Make a report and publish it unchanged.
            client.publish(reporter.topic, reporter.report())
            due = time.ticks_add(time.ticks_ms(), INTERVAL)
        time.sleep_ms(50)  # the application's own work
