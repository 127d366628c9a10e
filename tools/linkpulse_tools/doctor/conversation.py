"""With the broker: TLS, to be let in, to subscribe, to publish, and the first answer."""

import base64

from linkpulse_tools.doctor import probes, running
from linkpulse_tools.doctor.examination import Examination
from linkpulse_tools.doctor.model import Finding, failed, ok, skipped, told, warning

KNOWN = (
    "look at key and dates below. If both are well: on AWS the certificate must be active; a broker of your own must "
    "have this certificate's CA (cafile), and not this certificate on its revocation list (crlfile)"
)
CONN_EOF = -0x7280  # MBEDTLS_ERR_SSL_CONN_EOF, where a firmware has no names for errors
SHORT_OF_MEMORY = "first make room in the heap (memory, above): short of it, TLS gives reasons like this one"
# By the code of CONNACK.
REFUSALS = {
    "1": "set the broker to MQTT 3.1.1",
    "2": "is the client id one that the broker allows?",
    "4": "let the broker take the certificate as identity (mosquitto: use_identity_as_username true)",
    "5": "let the broker's access rules allow this client id to connect",
    "7": "let the policy allow iot:Connect for this client id",
}


def tls(this: Examination) -> Finding:
    """The server's proof, and the device's. It is the agent's own session, which goes on to subscribe."""
    topic = _topic(this)
    topics = (f"{topic}/accepted", f"{topic}/rejected")
    this.conversation = this.place.with_settings(probes.SESSION, this.patience, fresh=True, TOPICS=topics)
    if this.conversation["server"]:
        this.conversation["server"] = base64.b64decode(this.conversation["server"])
    if this.conversation["secured"]:
        return ok(f"{this.settings['server_name']} proved itself, and the device's certificate was taken")
    kind, text = this.conversation["error"]
    if kind == "MemoryError":
        return failed("the TLS handshake does not fit into the heap", "see memory, above")
    if this.is_failed("memory"):
        return told(text, SHORT_OF_MEMORY)
    if kind == "AuthError":
        return failed("the broker ended the TLS handshake", KNOWN)
    if "CONN_EOF" in text or str(CONN_EOF) in text:
        text = "the broker closed the connection in the TLS handshake"
        return failed(text, f"is `port` its TLS port? If so, {KNOWN}")
    if kind == "TimedOut":
        return failed(text, "is `port` the broker's TLS listener, usually 8883?")
    return told(text)


def connect(this: Examination) -> Finding:
    """CONNECT and CONNACK."""
    client = this.settings["client_id"]
    if this.conversation["connected"]:
        return ok(f"as {client}")
    kind, text = this.conversation["error"]
    if kind == "AuthError" and "CONNACK" in text:
        return failed(text, REFUSALS.get(text.rpartition("CONNACK ")[2].rstrip(")"), ""))
    if kind == "AuthError":  # TLS 1.3 lets the broker refuse a certificate after the handshake
        return failed(text, KNOWN)
    if kind == "NetworkError":
        hint = f"its policy: does it allow client id {client} to connect (AWS: iot:Connect, certificate attached)?"
        return failed(f"the broker closed the connection after CONNECT ({text})", hint)
    return told(text)


def subscribe(this: Examination) -> Finding:
    """To the topics of the answers."""
    topic = _topic(this)
    both = f"{topic}/accepted and /rejected"
    if this.conversation["subscribed"]:
        return ok(both)
    kind, text = this.conversation["error"]
    hint = f"let the broker's policy allow to subscribe to and receive from {both} (AWS: iot:Subscribe, iot:Receive)"
    if kind == "NetworkError":
        return failed("the broker closed the connection after SUBSCRIBE", hint)
    if kind == "AuthError":
        return failed(text, hint)
    return failed(f"no SUBACK: {text}", hint)


def publish(this: Examination) -> Finding:
    """A real report, by the agent itself."""
    topic = _topic(this)
    if not this.report_wanted:
        return skipped("left out, as told (--no-report)")
    process = running.agent(this.settings) if this.place.gateway else None
    if process:
        # Its ids would not be above this one's any more, and be refused.
        text = f"the agent is running (process {process}), and a report from here would go between its own"
        return skipped(text, "for this check stop it first, and start it again after")
    this.report = this.place.ask(probes.REPORT, this.patience, fresh=True, TIDY=this.place.gateway)
    if this.report["published"]:
        return ok(f"report {this.report['report_id']} of {this.report['bytes']} bytes to {topic}")
    text = this.report["last_error"] or ""
    if this.report["error"] == "MemoryError":
        return failed("the report does not fit into the heap", "see memory, above")
    if this.report["report_id"] is None:
        if this.is_failed("memory"):
            return failed(f"it does not come to a report with the agent in the heap: {text}", SHORT_OF_MEMORY)
        return told(text)
    hint = f"let the broker's policy allow to publish to {topic} (AWS: iot:Publish)"
    if this.report["error"] == "NetworkError":
        return failed("the broker closed the connection after PUBLISH", hint)
    return failed(f"no PUBACK: {text}", hint)


def response(this: Examination) -> Finding:
    """What the service says to that report."""
    outcome, text = this.report["outcome"], this.report["last_error"] or ""
    number, topic = this.report["report_id"], _topic(this)
    if outcome == "accepted":
        problem = this.report["problem"]
        return warning(f"report {number} accepted; {problem}", "see docs/reliability.md") if problem else ok("accepted")
    if outcome == "rejected" and "Throttled" in text:
        return ok("the service answers: it took a report less than 300 s ago, and refuses the next until then")
    if outcome == "rejected":
        hint = (
            "the service says what it misses. Where it is the id: ids are ahead of the clock after many starts, or the "
            "clock has gone back"
        )
        return failed(text, hint)
    if outcome == "unknown":
        return failed(
            f"no answer within {this.settings['timeout']} s",
            f"nobody answers on {topic}: is it what the service hears (on a broker of your own: `linkpulse listen`)? "
            "mosquitto drops what its ACL forbids without a word: its log tells",
        )
    return failed(f"the connection was lost before the answer: {text}", "does another client use this client id?")


def _topic(this: Examination) -> str:
    thing, form = this.settings["thing"], this.settings["format"]
    return this.settings["topic"] or f"$aws/things/{thing}/defender/metrics/{form}"
