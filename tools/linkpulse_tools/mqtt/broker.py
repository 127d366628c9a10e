"""Brokers with mutual TLS: amqtt inside this process, and mosquitto as a process of its own.

Both are context managers with `host` and `port`. When the context is entered, the broker accepts connections. They
listen on loopback by default.
"""

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

from amqtt.broker import Broker

from linkpulse_tools import files
from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki.certs import Bundle

HOST = "127.0.0.1"
ANY = "0.0.0.0"
START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0
RESERVED = "$aws/"
PLUGINS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


class ReservedTopicsBroker(Broker):
    """amqtt that requires client certificates and delivers `$aws/...`. It overrides two private methods of amqtt
    0.12.1, so that version is pinned.

    `crl` is a file with the certificates to refuse.
    """

    crl: Path | None = None

    def _create_ssl_context(self, listener) -> ssl.SSLContext:
        context = Broker._create_ssl_context(listener)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        if self.crl:
            context.load_verify_locations(self.crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context

    async def _handle_message_delivery(self, client_session, handler, wait_deliver) -> bool:
        message = wait_deliver.result()
        topic = message.topic if message is not None and message.topic else ""
        if topic.startswith(RESERVED) and "+" not in topic and "#" not in topic:
            await self._broadcast_message(client_session, topic, message.data)
            return True
        return await super()._handle_message_delivery(client_session, handler, wait_deliver)


class EmbeddedBroker:
    """amqtt in a thread with its own event loop, on the IPv4 address `bind`.

    `host` is its address for this machine. With `port` 0 it takes a free port, which is known when the context is
    entered.
    """

    def __init__(self, bundle: Bundle, bind: str = HOST, port: int = 0):
        self._bundle = bundle
        self._bind = bind
        self.host = HOST if bind == ANY else bind
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self.port = port

    def __enter__(self):
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT) or self._error:
            raise ToolError(f"the embedded broker did not start: {self._reason()}")
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_TIMEOUT)
        if self._thread.is_alive():
            raise ToolError("the embedded broker did not stop")

    def _reason(self) -> str:
        error = self._error
        while error:
            if type(error) is OSError or isinstance(error, PermissionError):
                if error.errno == errno.EADDRINUSE:
                    return f"another program uses port {self.port} of {self._bind}; choose another port"
                if error.errno == errno.EADDRNOTAVAIL:
                    return f"{self._bind} is no address of this machine"
                if error.errno == errno.EACCES:
                    return f"you may not listen on port {self.port}; choose one above 1023"
            error = error.__cause__ or error.__context__
        return str(self._error or "no answer")

    def _run(self) -> None:
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # passed to the thread that waits in __enter__
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda loop, context: None)  # refused handshakes are expected
        listener = {
            "type": "tcp",
            "bind": f"{self._bind}:{self.port}",
            "ssl": True,
            "cafile": str(self._bundle.ca.pem),
            "certfile": str(self._bundle.server.pem),
            "keyfile": str(self._bundle.server.key_pem),
        }
        broker = ReservedTopicsBroker({"listeners": {"default": listener}, "plugins": PLUGINS})
        broker.crl = self._bundle.crl
        await broker.start()
        self.port = broker._servers["default"].instance.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        # amqtt can wait for ever for a client that connects or leaves at this moment.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(broker.shutdown(), STOP_TIMEOUT / 2)
        for server in broker._servers.values():
            server.instance.close()


class MosquittoBroker:
    """An installed mosquitto, with its configuration and log in `folder`."""

    host = HOST

    def __init__(self, bundle: Bundle, folder: Path, program: str | None = None):
        self._bundle, self._folder = bundle, folder
        self._program = program or find_mosquitto()
        if not self._program:
            raise ToolError("mosquitto is not installed: install it, or use the embedded broker")
        self.port = 0

    def __enter__(self):
        for _ in range(5):  # another program may take the free port before mosquitto does
            if self._start():
                return self
        raise ToolError(f"mosquitto did not start: {self._log[-1] if self._log else 'it said nothing'}")

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_TIMEOUT)
        self._process.stderr.close()

    def _start(self) -> bool:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = probe.getsockname()[1]
        path = self._folder / "mosquitto.conf"
        files.write(path, self._configuration().encode())
        self._log, self._settled, self._running = [], threading.Event(), False
        command = [self._program, "-c", str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, name="mosquitto", daemon=True)
        self._reader.start()
        self._settled.wait(START_TIMEOUT)
        if not self._running:
            self.__exit__()
        return self._running

    def _configuration(self) -> str:
        return configuration(self._bundle, self.port)

    def _read(self) -> None:
        """Collect mosquitto's output. Its "running" line comes when its sockets listen."""
        with (self._folder / "mosquitto.log").open("w") as file:
            for line in self._process.stderr:
                file.write(line)
                file.flush()
                self._log.append(line.strip())
                del self._log[:-20]
                if line.rstrip().endswith("running"):
                    self._running = True
                    self._settled.set()
        self._settled.set()


def configuration(bundle: Bundle, port: int) -> str:
    """mosquitto.conf for one listener with mutual TLS."""
    lines = [
        f"listener {port} {HOST}",
        f"cafile {bundle.ca.pem}",
        f"certfile {bundle.server.pem}",
        f"keyfile {bundle.server.key_pem}",
        "require_certificate true",
        "use_identity_as_username true",
        "tls_version tlsv1.2",
        "persistence false",
        "log_dest stderr",
        "log_type all",
    ]
    if os.geteuid() == 0:
        lines.insert(0, "user root")  # otherwise it changes to another user, who cannot read the key
    return "\n".join(lines) + "\n"


def find_mosquitto() -> str | None:
    """The program. It may be in a folder that is not in an ordinary user's PATH."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
