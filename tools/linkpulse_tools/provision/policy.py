"""The AWS IoT policy of a thing: it may connect as itself, publish its reports and receive its answers.

One policy serves all things that report to the reserved topic in one format, because a policy variable stands for the
name of the thing that connects. There is one document to review, however many things there are. A thing with a topic of
its own has a policy of its own, because no variable could stand for the topic.
"""

import json

from linkpulse_tools.defender import topics
from linkpulse_tools.provision.account import Account

THING = "${iot:Connection.Thing.ThingName}"


def name(thing: str, fmt: str, topic: str | None) -> str:
    """The policy's name. A policy's name cannot contain a colon, and a thing's name contains no dot."""
    return f"linkpulse-topic-{thing.replace(':', '.')}" if topic else f"linkpulse-{fmt}"


def document(account: Account, fmt: str, topic: str | None) -> str:
    """The policy as JSON without spaces, because AWS allows at most 2,048 characters."""
    reports = topic or topics.reports(THING, fmt)
    answers = topics.answers(reports)
    statements = [
        _allow(
            "Connect",
            account.arn("client", THING),
            # It is true if the certificate is attached to the thing whose name is the client id.
            Condition={"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
        ),
        _allow("Publish", account.arn("topic", reports)),
        _allow("Subscribe", [account.arn("topicfilter", answer) for answer in answers]),
        _allow("Receive", [account.arn("topic", answer) for answer in answers]),
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _allow(action: str, resource, **more) -> dict:
    return {"Effect": "Allow", "Action": f"iot:{action}", "Resource": resource, **more}
