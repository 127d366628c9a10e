"""A broker, the service and a container in one network namespace: `python contained.py FOLDER`, run in a new one.

FOLDER has given.json {"script", "root", "settings", "elsewhere"} and gets certs/ and settings/. Prints a line of JSON:
the accepted report and the broker's port, which is none of `elsewhere`.
"""

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

from linkpulse_tools.mqtt import broker
from linkpulse_tools.pki import certs
from tests.bench.namespace import IFF_UP, SIOCSIFFLAGS
from tests.host.build.dist import gateway

CONTAINER_USER = 65532


def main(folder: Path) -> None:
    given = json.loads((folder / "given.json").read_text())
    bundle = certs.ensure(folder / "certs", "thing-1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    while True:
        with broker.EmbeddedBroker(bundle) as where:
            if where.port not in given["elsewhere"]:
                print(json.dumps(once(folder, given, bundle, where)))
                return


def once(folder: Path, given: dict, bundle: certs.Bundle, where) -> dict:
    values = gateway.values(where, **given["settings"])
    settings = gateway.write(folder / "settings", bundle, values, CONTAINER_USER).parent
    os.chown(settings, CONTAINER_USER, CONTAINER_USER)
    with gateway.service(where, bundle) as heard, (folder / "log").open("w") as log:
        command = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--uts",
            "--ipc",
            "sh",
            "-c",
            given["script"],
        ]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=given["root"], start_new_session=True)
        try:
            report = heard.accepted((folder / "log").read_text).verdict.report
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # unshare and the container's first process: with it all in there
            process.wait()
    return {"report": report, "port": where.port}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
