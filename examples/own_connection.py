"""linkpulse with the MQTT connection that the application has already: a board has memory and a client id for one.

`client` is any umqtt.simple client that is connected. Make one Reports at the start; call `report` every five minutes.
"""

import time
from linkpulse import Ids, Reporter
from linkpulse.collect import choose
from linkpulse.settings import Settings


class Reports:
    """Reports of `thing` over `client`. `state` is the file for the report ids."""

    def __init__(self, client, thing, state="linkpulse.state"):
        settings = Settings({"thing": thing}, online=False)
        # It keeps what the last accepted report said, so that the next one has the differences: make it once.
        self._reporter = Reporter(choose(settings), thing, Ids(state).next)
        self._client = client
        self._answer = None
        client.set_callback(self._received)
        client.subscribe(self._reporter.accepted)
        client.subscribe(self._reporter.rejected)

    def report(self, wait_ms=5000):
        """Publishes one report; the Response to it, or None when none came in time."""
        self._answer = None
        self._client.publish(self._reporter.topic, self._reporter.report())
        end = time.ticks_add(time.ticks_ms(), wait_ms)
        while self._answer is None and time.ticks_diff(end, time.ticks_ms()) > 0:
            self._client.check_msg()
            time.sleep_ms(10)
        return self._answer

    def _received(self, topic, payload):
        response = self._reporter.receive(topic, payload)
        if response is not None and response.matches:
            self._answer = response
