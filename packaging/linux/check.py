"""Checks whether the agent can work on this machine. The argument is the settings file.

It prints a line for each check: ok, warning, failed or skipped, the check, what was found and what to do. The exit code
is 1 if a check failed. The checks are the scripts of `linkpulse doctor` (the folder probes). They run in this process,
one after another, and each finds the names that the scripts before it have left.
"""

import gc

gc.threshold(4096)

import json
import os
import sys
import linkpulse
from linkpulse.errors import LinkpulseError, described

FACTS = ("thing", "host", "port", "ca", "cert", "key", "client_id", "timeout", "warnings")
# Where the packages keep the report ids, if neither the settings nor the service manager say it.
PACKAGED = {"/etc/linkpulse/settings.json": "/var/lib/linkpulse"}
CANNOT_READ = {2: "does not exist", 13: "cannot be read by you: run this as root, or as the user of the agent"}
PROBES = sys.argv[0].rpartition("/")[0] + "/probes/%s.py"

facts = {}  # of the settings
talk = {}  # what the session with the broker came to
names = {"PATH": sys.argv[1], "FACTS": FACTS, "PROC": "/proc", "GATEWAY": True, "STATE": None}


def ask(*scripts):
    """The value that the last of these scripts prints."""
    said = []
    names["print"] = said.append
    for script in scripts:
        with open(PROBES % script) as f:
            exec(f.read(), names)
    return json.loads(said[-1])


def settings():
    facts.update(ask("begin", "settings"))
    with open(names["PATH"]) as f:
        given = json.load(f)
    folder = os.getenv("STATE_DIRECTORY") or PACKAGED.get(names["PATH"])
    if folder and "state" not in given:
        names["STATE"] = names["s"].state = folder + "/linkpulse.state" if exists(folder) else ""
    text = "%s: thing %s, broker %s port %d" % (names["PATH"], facts["thing"], facts["host"], facts["port"])
    if facts["warnings"]:
        return "warning", "%s; %s" % (text, "; ".join(facts["warnings"]))
    return "ok", text


def exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def files():
    missing = ask("files")
    if missing:
        return "failed", "; ".join(
            "%s: %s %s" % (name, path, CANNOT_READ.get(code, "(error %d)" % code)) for name, path, code in missing
        )
    unwritable = ask("writable")
    if unwritable:
        return "warning", "; ".join(
            "%s: %s cannot be written (error %d): make its folder, and let the agent write there" % tuple(found)
            for found in unwritable
        )
    return "ok", ", ".join(facts[name] for name in ("ca", "cert", "key"))


def platform():
    agent = linkpulse.Agent(names["s"])
    names["TOPICS"] = agent.reports.topics
    problem = agent.status()["problem"]
    text = "linkpulse %s sees: %s" % (linkpulse.__version__, agent.status()["source"])
    return ("warning", "%s; %s" % (text, problem)) if problem else ("ok", text)


def clock():
    now, date = ask("clock")
    shown = "%04d-%02d-%02d %02d:%02d:%02d UTC" % tuple(date)
    if now is None:
        return "failed", "%s cannot be right: set the clock, for example with systemd-timesyncd or ntpd" % shown
    return "ok", shown


def name():
    error = ""
    try:
        found = ask("name")
    except OSError as e:
        found = []
        error = " (error %s)" % e.args[0]
    if not found:
        hint = "is `host` spelled correctly, and does this machine have a name server?"
        return "failed", "%s is not resolved%s: %s" % (facts["host"], error, hint)
    return "ok", "%s is resolved" % facts["host"]


def port():
    try:
        ask("port")
    except LinkpulseError as e:
        return "failed", "%s: is the broker running, is `port` its TLS port, and does a firewall block it?" % e
    return "ok", "%s port %d answers" % (facts["host"], facts["port"])


def tls():
    talk.update(ask("session"))
    if not talk["secured"]:
        return "failed", talk["error"][1]
    return "ok", "the broker has proved its identity"


def connect():
    if not talk["connected"]:
        hint = "does the broker accept this certificate and let client id %s connect (AWS: iot:Connect)?"
        return "failed", "%s: %s" % (talk["error"][1], hint % facts["client_id"])
    return "ok", "as client id %s" % facts["client_id"]


def subscribe():
    both = " and ".join(names["TOPICS"])
    if not talk["subscribed"]:
        hint = "does the broker allow subscribing to %s (AWS: iot:Subscribe, iot:Receive)?" % both
        return "failed", "%s: %s" % (talk["error"][1], hint)
    return "ok", both


def report():
    process = ask("running")
    if process is not None:
        text = "the agent is running (process %d), and a report from here would disturb its report ids" % process
        return "skipped", text + ": stop the agent for this check, and start it again afterwards"
    status = ask("report")
    error = status["last_error"]
    if status["outcome"] == "accepted":
        return "ok", "report %d of %d bytes was accepted" % (status["report_id"], status["bytes"])
    if status["outcome"] == "rejected" and "Throttled" in error:
        return "ok", "the service answers. It refused this report because the last one came less than 300 s ago"
    if status["outcome"] == "unknown":
        text = "the broker took the report, but no answer came within %d s" % facts["timeout"]
        return "failed", text + ": on a broker of your own, something must answer, for example `linkpulse listen`"
    if status["published"] or status["report_id"] is None or status["outcome"] == "rejected":
        return "failed", error
    return "failed", "%s: does the broker allow publishing the report (AWS: iot:Publish)?" % error


# Each check with those without which it cannot work.
CHECKS = (
    ("settings", settings, ()),
    ("platform", platform, ("settings",)),
    ("files", files, ("settings",)),
    ("clock", clock, ("settings",)),
    ("name", name, ("settings",)),
    ("port", port, ("name",)),
    ("tls", tls, ("platform", "files", "clock", "port")),
    ("connect", connect, ("tls",)),
    ("subscribe", subscribe, ("connect",)),
    ("report", report, ("subscribe",)),
)


def look(check):
    try:
        return check()
    except LinkpulseError as e:
        return "failed", str(e)
    except Exception as e:
        return "failed", described(e)


def main():
    failed = []
    blocked = {}  # check: the failure that keeps it from working
    for title, check, needs in CHECKS:
        causes = [blocked[need] for need in needs if need in blocked]
        if causes:
            status, text = "skipped", "not possible until this works: %s" % causes[0]
            blocked[title] = causes[0]
        else:
            status, text = look(check)
        if status == "failed":
            failed.append(title)
            blocked[title] = title
        print("%-7s  %-9s  %s" % (status, title, text))
    if failed:
        print("%d of %d checks failed: %s" % (len(failed), len(CHECKS), ", ".join(failed)), file=sys.stderr)
    return 1 if failed else 0


try:
    code = main()
except KeyboardInterrupt:
    code = 130
sys.exit(code)
