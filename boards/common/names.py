# ruff: noqa: F821
# The full names of the agent's modules, frozen too; nothing imports them. MicroPython makes a module's full name when
# the module is loaded by a relative one, and each name that the firmware does not hold takes heap: 1 KB in all.
import os

LIB = "../../lib"
FOLDER = "../../build/names"
FILE = "linkpulse_names.py"


def names(folder):
    """The modules in a folder of lib/, as they are imported."""
    for name in sorted(os.listdir(LIB + "/" + folder)):
        path = folder + "/" + name
        if name.endswith(".py"):
            yield path[: -len("/__init__.py" if name == "__init__.py" else ".py")].replace("/", ".")
        elif not name.startswith("__"):
            yield from names(path)


text = "\n".join("import " + name for name in names("linkpulse"))
os.makedirs(FOLDER, exist_ok=True)
with open(FOLDER + "/" + FILE, "w") as file:
    file.write(text + "\n")
module(FILE, base_path=FOLDER)
