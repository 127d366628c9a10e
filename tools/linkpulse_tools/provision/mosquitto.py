"""mosquitto's side of a local CA: a listener that takes the CA's certificates, and what each of them may do."""

import re

from linkpulse_tools.pki import authority, crl
from linkpulse_tools.pki.steps import Steps
from linkpulse_tools.pki.store import Store

CONFIGURATION, ACL = f"{authority.FOLDER}/mosquitto.conf", f"{authority.FOLDER}/mosquitto.acl"
REPORTS = "$aws/things/{}/defender/metrics/+"
ANSWERS = ("accepted", "rejected")


def ensure(store: Store, steps: Steps, port: int, topics: dict[str, str]) -> None:
    """Have both files. `topics`: thing to the topic of its own that it reports to."""
    steps.add(CONFIGURATION, store.write(CONFIGURATION, configuration(store, port).encode()), f"port {port}")
    steps.add(ACL, ensure_acl(store, topics))


def ensure_acl(store: Store, topics: dict[str, str]) -> str:
    return store.write(ACL, acl(topics).encode())


def port(store: Store) -> int | None:
    """The port of the listener, None where there is none yet."""
    found = re.search(rb"^listener (\d+)$", store.read(CONFIGURATION) or b"", re.MULTILINE)
    return int(found[1]) if found else None


def configuration(store: Store, port: int) -> str:
    """The listener. The client id is the certificate's name too, so that no thing can end another's connection."""
    folder = store.path(authority.FOLDER).absolute()
    return f"""\
# Written by linkpulse provision, which writes it anew: take it as it is, with mosquitto -c or include_dir.
listener {port}
cafile {folder}/ca.pem
certfile {folder}/server.pem
keyfile {folder}/server.key.pem
crlfile {store.path(crl.NAME).absolute()}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
use_username_as_clientid true
acl_file {store.path(ACL).absolute()}
"""


def acl(topics: dict[str, str]) -> str:
    """Who may do what: the service everything about reports, a thing its own. What is not here is not allowed."""
    lines = ["# Written by linkpulse provision, which writes it anew.", f"user {authority.SERVICE}"]
    for topic in [REPORTS.format("+"), *sorted(set(topics.values()))]:
        lines += [f"topic read {topic}", *(f"topic write {topic}/{answer}" for answer in ANSWERS)]
    for thing, topic in sorted(topics.items()):
        lines += ["", f"user {thing}", *_own("topic", topic)]
    return "\n".join([*lines, "", *_own("pattern", REPORTS.format("%u"))]) + "\n"


def _own(kind: str, topic: str) -> list[str]:
    return [f"{kind} write {topic}", *(f"{kind} read {topic}/{answer}" for answer in ANSWERS)]
