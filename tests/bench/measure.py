"""Every measurement: from programs and sockets to plain figures."""

from contextlib import ExitStack

from linkpulse_tools import paths
from linkpulse_tools.defender import decode
from linkpulse_tools.device import process

from . import heap, instructions, procroot
from .programs import BUILD, PEER, Programs, first_output, installed, weight
from .worker import Failed, Worker, interleaved

ROWS = (0, 10, 100, 1000)
START_ROWS = 10
HEAP_ROWS = (10, 10000)
ENCODED = 50
ENCODING_HEAP = "512K"  # a dict of that many rows and its encoding do not fit beside the agent in 256K
ENCODERS = {"encode": 50, "tree": 20, "cbor2": 20, "json": 50}
FORMS = tuple((form, tags) for form in ("json", "cbor") for tags in ("long", "short"))
TRIES = 5


def live(programs: Programs, sockets, say, rounds: int, valgrind: bool) -> dict:
    """With real sockets: processor time, heap, instructions at each number of rows; start; resident memory."""
    found = {"rows": {}}
    with ExitStack() as stack:
        workers = {variant: stack.enter_context(programs.device_worker(variant)) for variant in programs.variants}
        first = programs.variants[0]
        workers["json"] = stack.enter_context(programs.device_worker(first, "/proc", "json", "long"))
        workers["peer"] = stack.enter_context(programs.peer_worker())
        for rows in ROWS:
            say(f"{rows} rows: processor time")
            sockets.grow(rows)
            here = {"seen": seen(workers[first], workers["peer"])}
            times = dict.fromkeys(workers, 20) | {"peer": 1 if rows > 100 else 3}
            here["cpu_us"] = interleaved(workers, times, rounds)
            here["heap"] = {variant: heap_of(workers[variant], "report") for variant in programs.variants}
            if valgrind:
                say(f"{rows} rows: instructions")
                here["instructions"] = counted(programs, 2 if rows > 100 else 3)
            if rows == START_ROWS:
                say("from start to the first report")
                found["start_ms"] = start(programs, rounds)
            found["rows"][rows] = here
        found["resident"] = {name: worker.resident() for name, worker in workers.items()}
    return found


def seen(ours: Worker, theirs: Worker) -> dict:
    """What both sides see of the same sockets. Failed where connections differ: then nothing can be compared."""
    for _ in range(TRIES):  # outside of a namespace of our own, other programs open and close some as well
        left = decode.decode(bytes.fromhex(ours.ask("bytes report")), "cbor")[0]["met"]
        right = decode.decode(bytes.fromhex(theirs.ask("bytes")), "json")[0]["metrics"]
        connections = right.get("tcp_connections", {}).get("established_connections", {})
        counts = {
            "connections": [left["tc"]["ec"]["t"], connections.get("total", 0)],
            "tcp_ports": [left["tp"]["t"], right["listening_tcp_ports"]["total"]],
            "udp_ports": [left["up"]["t"], right["listening_udp_ports"]["total"]],
        }
        if counts["connections"][0] == counts["connections"][1]:
            return counts
    raise Failed(f"the two agents do not see the same sockets: {counts}")


def heap_of(worker: Worker, work: str) -> dict:
    allocated, in_use = map(int, worker.ask(f"heap {work}").split())
    return {"allocated": allocated, "in_use": in_use}


def counted(programs: Programs, peer_times: int) -> dict:
    jobs = {"peer": (programs.peer("report"), programs.env(None), 1, peer_times)}
    for variant in programs.variants:
        jobs[variant] = (programs.device("/proc", "cbor", "short", "report"), programs.env(variant), 5, 25)
    return instructions.each(jobs)


def start(programs: Programs, times: int) -> dict:
    """Milliseconds from a process's start to its first output."""
    settings = {"thing": "bench", "proc": "/proc", "loopback": True, "format": "json", "tags": "long"}
    path = process.write_settings(BUILD / "settings.json", settings)
    script = paths.FIRMWARE / "report.py"
    env = programs.env(programs.variants[0])
    return {
        "linkpulse": first_output(programs.interpreter.command(script, str(path)), env, times),
        "micropython alone": first_output([programs.interpreter.path, "-c", "print(1)"], env, times),
        "peer": first_output(programs.python("-m", PEER + ".collector"), programs.env(None), times),
    }


def smallest_heap(programs: Programs, say) -> dict:
    """The smallest heap for two reports from a proc root on disk with few and many rows, and for the imports."""
    found = {"rows": {}}
    variant = programs.variants[0]

    def search(root, what):
        def command(size):
            return programs.device(str(root), what, module="smallest", heap=size)

        return heap.smallest(command, programs.env(variant))

    for rows in HEAP_ROWS:
        say(f"smallest heap with {rows} rows")
        root = procroot.make(BUILD / "proc" / str(rows), rows)
        found["rows"][rows] = search(root, "report")
    say("smallest heap for the imports")
    found["imports"] = search(root, "imports")
    return found


def encoding(programs: Programs, say, rounds: int) -> dict:
    """One sample of ENCODED rows written in several ways on the same runtime: time and heap."""
    root = procroot.make(BUILD / "proc" / str(ENCODED), ENCODED)
    found = {}
    for variant in programs.variants:
        say(f"encoding, {variant}")
        with programs.device_worker(variant, root, heap=ENCODING_HEAP) as worker:
            worker.ask("sample")
            same = [decode.decode(bytes.fromhex(worker.ask(f"bytes {way}")), "cbor")[0] for way in ("encode", "cbor2")]
            if same[0] != same[1]:
                raise Failed("our encoder and the stand-in for cbor2 do not write the same report")
            found[variant] = {}
            for way, times in ENCODERS.items():
                cost = interleaved({way: worker}, {way: times}, rounds, way)[way]
                found[variant][way] = {"cpu_us": cost, "heap_allocated": heap_of(worker, way)["allocated"]}
    return found


def sizes(programs: Programs) -> dict:
    """Bytes of a report: the example with one socket of each kind, and one with ENCODED connections."""
    found = {}
    for name, connections, tcp, udp in (
        ("example", 1, (22,), (68,)),
        (str(ENCODED), ENCODED, (22, 443, 8883), (68, 5353)),
    ):
        root = procroot.make(BUILD / "proc" / name, connections, tcp, udp)
        found[name] = {}
        for form, tags in FORMS:
            with programs.device_worker(programs.variants[0], root, form, tags) as worker:
                worker.ask("sample")
                found[name][f"{form} {tags}"] = len(worker.ask("bytes encode")) // 2
    return found


def on_disk(programs: Programs) -> dict:
    """Files and bytes of both sides, without the interpreters."""
    return {"linkpulse": weight(programs.lib(programs.variants[-1]), paths.VENDOR), "peer": installed(PEER)}
