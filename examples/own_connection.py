"""linkpulse with the MQTT connection that the application has already: a board has memory and a client id for one.

`client` is any umqtt.simple client that is connected. Arguments: none; call `report_once` from your own loop.
"""

import time
from linkpulse import Ids, Reporter
from linkpulse.collect.linux import Collector


def report_once(client, thing, wait_ms=5000):
    """Publishes one report over the application's client; the Response, or None when none came in time."""
    reporter = Reporter(Collector(), thing, Ids().next)
    answers = []

    def received(topic, payload):
        response = reporter.receive(topic, payload)
        if response is not None and response.matches:
            answers.append(response)

    client.set_callback(received)
    client.subscribe(reporter.accepted)
    client.subscribe(reporter.rejected)
    client.publish(reporter.topic, reporter.report())
    end = time.ticks_add(time.ticks_ms(), wait_ms)
    while not answers and time.ticks_diff(end, time.ticks_ms()) > 0:
        client.check_msg()
        time.sleep_ms(10)
    return answers[0] if answers else None
