"""Connects the service to a broker, as an MQTT client with its own certificate."""

import ssl
import threading
import time

import paho.mqtt.client as mqtt

from linkpulse_tools.defender.service import Service
from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki.certs import Bundle, Files

TIMEOUT = 15.0
LONGEST_WAIT = 10  # seconds between two attempts to connect again
LAST_ANSWER = 5.0  # seconds for the broker to acknowledge it
SHORT = 60.0  # seconds; a connection that lives less may have been ended by another client with this id
KICKS = 3  # of these in a row


def client_context(ca: Files, pair: Files | None) -> ssl.SSLContext:
    """TLS for a client that verifies the broker and shows the certificate in `pair` (None for no certificate)."""
    context = ssl.create_default_context(cafile=str(ca.pem))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if pair:
        context.load_cert_chain(str(pair.pem), str(pair.key_pem))
    return context


class Responder:
    """A context manager that answers every report on the broker at `host` and `port`.

    When the context is entered, the responder has subscribed. `on_change` gets a text when the connection is lost and
    when it is there again. When it is left, the broker has the last answer.
    """

    def __init__(self, host: str, port: int, bundle: Bundle, service: Service, on_change=lambda text: None):
        self._address, self._service = (host, port), service
        self._subscribed, self._answering, self._last = threading.Event(), threading.Lock(), None
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="linkpulse-service")
        self._client.tls_set_context(client_context(bundle.ca, bundle.service))
        self._client.reconnect_delay_set(1, LONGEST_WAIT)
        self._client.on_connect = lambda client, *_: client.subscribe([(topic, 1) for topic in service.subscriptions])
        self._client.on_subscribe = self._listening
        self._client.on_disconnect = self._lost
        self._on_change, self._ending, self._away = on_change, False, False
        self._since, self._kicks = 0.0, 0
        self._client.on_message = self._answer

    def __enter__(self):
        try:
            self._client.connect(*self._address)
        except ssl.SSLCertVerificationError as error:
            raise ToolError(
                f"the broker's certificate is refused: {error.verify_message}. If {self._address[0]} is not in it, run "
                f"linkpulse provision THING --host {self._address[0]}"
            ) from error
        except OSError as error:
            host, port = self._address
            raise ToolError(
                f"cannot connect to the broker at {host} port {port} ({error.strerror or error}): is it running, "
                "and is this its TLS port? linkpulse listen --broker runs one for tests"
            ) from error
        self._client.loop_start()
        if not self._subscribed.wait(TIMEOUT):
            self.__exit__()
            raise ToolError("the broker did not allow the responder to subscribe")
        return self

    def __exit__(self, *_):
        with self._answering:  # a message that is being answered
            last = self._last
        if last and not last.rc and self._client.is_connected():
            last.wait_for_publish(LAST_ANSWER)
        self._ending = True
        self._client.disconnect()
        self._client.loop_stop()

    def _listening(self, *_) -> None:
        self._subscribed.set()
        self._since = time.monotonic()
        if self._away:
            self._away = False
            self._on_change("connected to the broker again")

    def _lost(self, client, userdata, flags, reason, properties) -> None:
        if not self._ending and not self._away:
            self._away = True
            self._kicks = self._kicks + 1 if time.monotonic() - self._since < SHORT else 0
            text = f"the connection to the broker is lost ({reason}): trying again until it is there"
            if self._kicks >= KICKS:
                text += ". This happens again and again: does another linkpulse listen run on this broker?"
            self._on_change(text)

    def _answer(self, client, userdata, message) -> None:
        with self._answering:
            for topic, payload in self._service.handle(message.topic, message.payload, time.time_ns() // 1_000_000):
                self._last = client.publish(topic, payload, qos=1)
