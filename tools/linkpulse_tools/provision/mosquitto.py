"""mosquitto's configuration for a local CA: a listener for the CA's certificates, and what each of them may do."""

import re

from linkpulse_tools.defender.topics import answers, reports
from linkpulse_tools.pki import authority, crl
from linkpulse_tools.pki.steps import Steps
from linkpulse_tools.pki.store import Store

CONFIGURATION, ACL = f"{authority.FOLDER}/mosquitto.conf", f"{authority.FOLDER}/mosquitto.acl"


def ensure(store: Store, steps: Steps, port: int, topics: dict[str, str]) -> None:
    """Make sure that both files exist. `topics` maps a thing to its own report topic."""
    steps.add(CONFIGURATION, store.write(CONFIGURATION, configuration(store, port).encode()), f"port {port}")
    steps.add(ACL, ensure_acl(store, topics))


def ensure_acl(store: Store, topics: dict[str, str]) -> str:
    """Writes mosquitto's access rules for these devices."""
    return store.write(ACL, acl(topics).encode())


def port(store: Store) -> int | None:
    """The port of the listener, or None if there is none yet."""
    found = re.search(rb"^listener (\d+)$", store.read(CONFIGURATION) or b"", re.MULTILINE)
    return int(found[1]) if found else None


def configuration(store: Store, port: int) -> str:
    """The listener. The client id is always the certificate's name, so that no thing can end another's connection."""
    folder = store.path(authority.FOLDER).absolute()
    return f"""\
# Written by linkpulse provision, which overwrites it: do not edit it. Use it with mosquitto -c or include_dir.
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
    """The access rules. The service may use all report topics, a thing only its own. Everything else is forbidden."""
    lines = ["# Written by linkpulse provision, which overwrites it: do not edit it.", f"user {authority.SERVICE}"]
    for topic in [reports(), *sorted(set(topics.values()))]:
        lines += [f"topic read {topic}", *(f"topic write {answer}" for answer in answers(topic))]
    for thing, topic in sorted(topics.items()):
        lines += ["", f"user {thing}", *_own("topic", topic)]
    return "\n".join([*lines, "", *_own("pattern", reports("%u"))]) + "\n"


def _own(kind: str, topic: str) -> list[str]:
    return [f"{kind} write {topic}", *(f"{kind} read {answer}" for answer in answers(topic))]
