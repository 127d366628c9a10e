"""The AWS IoT policy of a thing: connect as itself, publish its reports, take its answers, and nothing else.

One policy serves all things that report to the reserved topic in one format: a policy variable stands for the name of
the thing that connects, so that there is one document to review, and the number of policies does not grow with that of
the things. A thing with a topic of its own has a policy of its own: no variable could stand for that.
"""

import json

from linkpulse_tools.provision.account import Account
from linkpulse_tools.provision.mosquitto import ANSWERS

THING = "${iot:Connection.Thing.ThingName}"


def name(thing: str, fmt: str, topic: str | None) -> str:
    """A policy's name has no colon, a thing's no dot."""
    return f"linkpulse-topic-{thing.replace(':', '.')}" if topic else f"linkpulse-{fmt}"


def document(account: Account, fmt: str, topic: str | None) -> str:
    """The policy, without spaces: AWS counts no more than 2,048 characters."""
    reports = topic or f"$aws/things/{THING}/defender/metrics/{fmt}"
    answers = [f"{reports}/{answer}" for answer in ANSWERS]
    statements = [
        _allow(
            "Connect",
            account.arn("client", THING),
            # True for a certificate that is attached to the thing whose name it connects with.
            Condition={"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
        ),
        _allow("Publish", account.arn("topic", reports)),
        _allow("Subscribe", [account.arn("topicfilter", answer) for answer in answers]),
        _allow("Receive", [account.arn("topic", answer) for answer in answers]),
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _allow(action: str, resource, **more) -> dict:
    return {"Effect": "Allow", "Action": f"iot:{action}", "Resource": resource, **more}
