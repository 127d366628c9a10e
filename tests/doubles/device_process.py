"""A device for the tests of the command, run by CPython: the settings say what it does (`MODE` in the environment).

Publishes reports with paho over mutual TLS and prints the status lines that the real device prints.
"""

import json
import os
import queue
import ssl
import sys
import time

import cbor2
import paho.mqtt.client as mqtt

from linkpulse_tools.defender.schema import SHORT

with open(sys.argv[-1]) as file:
    settings = json.load(file)
mode = os.environ["MODE"]


def say(outcome, **more):
    print(json.dumps({"outcome": outcome, "report_id": None, "last_error": None, "heap": 23456, **more}), flush=True)


def pem(name):
    return settings[name].removesuffix(".der") + ".pem"


def shorten(value):
    if isinstance(value, dict):
        return {SHORT[k]: shorten(v) for k, v in value.items()}
    return [shorten(v) for v in value] if isinstance(value, list) else value


def report(number):
    connections = [
        {"remote_addr": f"192.0.2.{n}:443", "local_port": n, "local_interface": "eth0"} for n in range(1, 31)
    ]
    metrics = {
        "tcp_connections": {"established_connections": {"connections": connections, "total": 1234}},
        "listening_tcp_ports": {"ports": [{"port": 22}, {"port": 8080, "interface": "br-lan"}], "total": 2},
        "listening_udp_ports": {"ports": [], "total": 0},
    }
    if number > 1:
        metrics["network_stats"] = {"bytes_in": 1234567, "bytes_out": 89, "packets_in": 4, "packets_out": 5}
    if mode == "malformed":
        metrics["listening_udp_ports"]["total"] = None
    value = {"header": {"report_id": number, "version": "1.0"}, "metrics": metrics}
    value = shorten(value) if settings["tags"] == "short" else value
    return cbor2.dumps(value) if settings["format"] == "cbor" else json.dumps(value).encode()


print("not a status line", flush=True)
print("a line for the log", file=sys.stderr, flush=True)
if mode == "die":
    say("error", last_error="tls: certificate expired")
    sys.exit(3)
if mode == "silent":
    say("error", last_error="timeout: no CONNACK")
    time.sleep(600)

answers, subscribed = queue.Queue(), queue.Queue()
context = ssl.create_default_context(cafile=pem("ca"))
context.load_cert_chain(pem("cert"), pem("key"))
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=settings["thing"])
client.tls_set_context(context)
client.on_message = lambda c, u, m: answers.put(m)
client.on_subscribe = lambda *_: subscribed.put(True)
client.connect(settings["server_name"], settings["port"])
client.loop_start()
topic = f"$aws/things/{settings['thing']}/defender/metrics/{settings['format']}"
client.subscribe([(f"{topic}/accepted", 1), (f"{topic}/rejected", 1)])
subscribed.get(timeout=10)
number = 0
while True:
    number += 1
    client.publish(topic, report(number), qos=1)
    answer = answers.get(timeout=10)
    say(answer.topic.rpartition("/")[2], report_id=number)
