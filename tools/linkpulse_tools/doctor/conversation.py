"""The checks with the broker: TLS, connect, subscribe, publish, and the first answer."""

import base64

from linkpulse_tools.defender import topics
from linkpulse_tools.doctor import probes
from linkpulse_tools.doctor.examination import Examination
from linkpulse_tools.doctor.model import Finding, failed, ok, skipped, told, warning

KNOWN = (
    "look at key and dates below. If both are right: on AWS, the certificate must be active. A broker of your own must "
    "know the CA of this certificate (cafile), and its revocation list (crlfile) must not contain this certificate"
)
SHORT_OF_MEMORY = "free heap first (see memory, above): with too little, TLS can report a wrong reason such as this one"
# The hints by the code of CONNACK.
REFUSALS = {
    "1": "let the broker accept MQTT 3.1.1",
    "2": "does the broker allow this client id?",
    "4": "let the broker identify clients by their certificate (mosquitto: use_identity_as_username true)",
    "5": "allow this client id to connect in the broker's access rules",
    "7": "allow iot:Connect for this client id in the policy",
}


def tls(this: Examination) -> Finding:
    """The TLS handshake. It is the agent's own session, which continues with connect and subscribe."""
    topic = _topic(this)
    answers = tuple(topics.answers(topic))
    this.conversation = this.place.with_settings(probes.SESSION, this.patience, fresh=True, TOPICS=answers)
    if this.conversation["server"]:
        this.conversation["server"] = base64.b64decode(this.conversation["server"])
    if this.conversation["secured"]:
        return ok(f"{this.settings['server_name']} proved its identity, and accepted the device's certificate")
    kind, text = this.conversation["error"]
    if kind == "MemoryError":
        return failed("the TLS handshake does not fit into the heap", "see memory, above")
    if this.is_failed("memory"):
        return told(text, SHORT_OF_MEMORY)
    if kind == "AuthError":
        return failed("the broker ended the TLS handshake", KNOWN)
    if kind == "NetworkError" and ("closed the connection" in text or "ended the TLS handshake" in text):
        # The agent tries again for long before it takes this for a refusal. Here is only one try.
        text = "the broker closed the connection in the TLS handshake"
        return failed(text, f"is `port` its TLS port? If so, {KNOWN}")
    if kind in ("TimedOut", "NetworkError") and "TLS listener" not in text:
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
    if kind == "AuthError":  # with TLS 1.3 the broker refuses a certificate after the handshake
        return failed(text, KNOWN)
    if kind == "NetworkError":
        hint = f"does its policy allow client id {client} to connect (AWS: iot:Connect, policy attached)?"
        return failed(f"the broker closed the connection after CONNECT ({text})", hint)
    return told(text)


def subscribe(this: Examination) -> Finding:
    """The subscriptions to the topics of the answers."""
    topic = _topic(this)
    both = f"{topic}/accepted and /rejected"
    if this.conversation["subscribed"]:
        return ok(both)
    kind, text = this.conversation["error"]
    hint = f"allow to subscribe to {both} in the broker's policy (AWS: iot:Subscribe, iot:Receive)"
    if kind == "NetworkError":
        return failed("the broker closed the connection after SUBSCRIBE", hint)
    if kind == "AuthError":
        return failed(text, hint)
    return failed(f"no SUBACK: {text}", hint)


def publish(this: Examination) -> Finding:
    """A real report from the agent itself."""
    topic = _topic(this)
    if not this.report_wanted:
        return skipped("left out because of --no-report")
    process = this.place.with_settings(probes.RUNNING, PROC="/proc") if this.place.gateway else None
    if process:
        # The agent's next id might be lower than this report's, and the service would refuse it.
        text = f"the agent is running (process {process}), and a report from here would disturb its report ids"
        return skipped(text, "stop the agent for this check, and start it again afterwards")
    this.report = this.place.ask(
        probes.REPORT, this.patience, fresh=True, GATEWAY=this.place.gateway, STATE=this.place.state()
    )
    if this.report["published"]:
        return ok(f"report {this.report['report_id']} of {this.report['bytes']} bytes to {topic}")
    text = this.report["last_error"] or ""
    if this.report["error"] == "MemoryError":
        return failed("the report does not fit into the heap", "see memory, above")
    if this.report["report_id"] is None:
        if this.is_failed("memory"):
            return failed(f"no report could be made: {text}", SHORT_OF_MEMORY)
        return told(text)
    hint = f"allow to publish to {topic} in the broker's policy (AWS: iot:Publish)"
    if this.report["error"] == "NetworkError":
        return failed("the broker closed the connection after PUBLISH", hint)
    return failed(f"no PUBACK: {text}", hint)


def response(this: Examination) -> Finding:
    """The service's answer to that report."""
    outcome, text = this.report["outcome"], this.report["last_error"] or ""
    number, topic = this.report["report_id"], _topic(this)
    if outcome == "accepted":
        problem = this.report["problem"]
        return (
            warning(f"report {number} accepted; {problem}", "correct this, although reports continue")
            if problem
            else ok("accepted")
        )
    if outcome == "rejected" and "Throttled" in text:
        return ok("the service answers. It refused this report because the last one came less than 300 s ago")
    if outcome == "rejected":
        hint = (
            "the service says what is wrong. If it is the id: ids are ahead of the clock after many starts, or the "
            "clock has gone back"
        )
        return failed(text, hint)
    if outcome == "unknown":
        return failed(
            f"no answer within {this.settings['timeout']} s",
            f"nobody answers on {topic}. On a broker of your own, run `linkpulse listen`. mosquitto silently drops "
            "what its access rules forbid, and its log says so",
        )
    return failed(f"the connection was lost before the answer: {text}", "does another client use this client id?")


def _topic(this: Examination) -> str:
    thing, form = this.settings["thing"], this.settings["format"]
    return this.settings["topic"] or topics.reports(thing, form)
