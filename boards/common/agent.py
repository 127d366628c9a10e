# ruff: noqa: F821
# The agent, with the collectors that a board can use: include("../common/agent.py", lwip=True).
#   lwip      lwIP's own tables, where the firmware is built with firmware/lwipstat
#   counting  the program's own sockets, where it is not
#   radio     besides, the counters of a CYW43 radio
#   linux     the kernel's tables, for the unix port
import os

options.defaults(lwip=False, counting=False, radio=False, linux=False)

LIB = "../../lib"
ON_LINUX_ONLY = ("baseline.py",)

collectors = ["__init__.py", "wanted.py"]
if options.lwip:
    collectors += ["lwip.py"]
if options.counting:
    collectors += ["sockets.py", "counted.py", "endpoint.py", "ledger.py"]
if options.radio:
    collectors += ["cyw43.py"]
if options.linux:
    collectors += [name + ".py" for name in ("addresses", "diag", "judge", "lines", "linux", "scan", "walk")]

modules = [
    name
    for name in sorted(os.listdir(LIB + "/linkpulse"))
    if name.endswith(".py") and (options.linux or name not in ON_LINUX_ONLY)
]
package("linkpulse", modules + ["collect/" + name for name in collectors], base_path=LIB)
module("microcbor.py", base_path=LIB)
require("umqtt.simple")
