"""Files in which the device keeps its state: `.new` beside one is what it was writing."""

import os


def forget(*paths):
    for path in paths:
        for name in (path, path + ".new"):
            try:
                os.remove(name)
            except OSError:
                pass


def content(path):
    with open(path, "rb") as f:
        return f.read()


def store(path, data):
    with open(path, "wb") as f:
        f.write(data)
