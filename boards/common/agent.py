# ruff: noqa: F821
# The agent, with the collectors that a board can use: include("../common/agent.py", lwip=True).
#   lwip      lwIP's own tables, where the firmware is built with firmware/lwipstat
#   counting  the program's own sockets, where it is not
#   radio     besides, the counters of a CYW43 radio
#   linux     the kernel's tables, for the unix port
import os

options.defaults(lwip=False, counting=False, radio=False, linux=False)

LIB = "../../lib"
collectors = ["__init__.py", "interface_filter.py"]
if options.lwip:
    collectors.append("lwip.py")
if options.counting:
    collectors.append("counted")
if options.radio:
    collectors.append("cyw43.py")
if options.linux:
    collectors.append("linux")


def modules(folder):
    """The modules below a folder of the package, by their paths in it."""
    for name in sorted(os.listdir(LIB + "/linkpulse/" + folder)):
        path = folder + name
        if name.endswith(".py"):
            yield path
        elif not name.startswith("__") and (folder != "collect/" or name in collectors):
            yield from modules(path + "/")


unwanted = {"collect/" + name for name in ("lwip.py", "cyw43.py") if name not in collectors}
unwanted |= {"collect/layout.py", "port/cpython.py"}  # empty when compiled; for another runtime
package("linkpulse", [path for path in modules("") if path not in unwanted], base_path=LIB)
module("microcbor.py", base_path=LIB)
include("names.py")
require("umqtt.simple")
