"""Reports over the MQTT connection that the application has already: a board has memory and a client id for one.

`client` is any umqtt.simple client, not yet connected; 1 to 4 are what linkpulse adds to the application.
"""

import time
from linkpulse import Ids, Reporter
from linkpulse.collect import choose
from linkpulse.settings import Settings

INTERVAL = 300000  # ms: the service refuses what comes sooner
COMMANDS = b"greenhouse/commands"


def run(client, thing):
    # 1. A reporter, once: it knows what the last accepted report had, so that the next one has the differences.
    settings = Settings({"thing": thing}, online=False)
    reporter = Reporter(choose(settings), thing, Ids("linkpulse.state").next)

    def received(topic, payload):
        # 2. Every message goes by the reporter; None says that it is the application's.
        response = reporter.receive(topic, payload)
        if response is None:
            print("command:", payload)
        elif response.matches:
            print(response)

    client.set_callback(received)
    client.connect()
    # 3. Subscriptions to its answers, after every connect.
    for topic in (COMMANDS, reporter.accepted, reporter.rejected):
        client.subscribe(topic)
    due = time.ticks_ms()
    while True:
        client.check_msg()
        if time.ticks_diff(due, time.ticks_ms()) <= 0:
            # 4. A report, published as it is before the next one is made.
            client.publish(reporter.topic, reporter.report())
            due = time.ticks_add(time.ticks_ms(), INTERVAL)
        time.sleep_ms(50)  # the application's own work
