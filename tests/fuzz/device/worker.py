"""Feeds one parser: `worker.py PARSER SEED COUNT FOLDER [FILE ...]`. A line of JSON for each escape, one at the end.

COUNT inputs: all files in FOLDER, the others from SEED. With -COUNT the input that is being tried stands in
FOLDER/.trying, so that one that ends the process or never ends is known.
"""

import json
import os
import random
import sys
import time
from binascii import crc32

if sys.implementation.name != "micropython":
    sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), *up) for up in (
        ("..", "..", "..", "lib"), ("..", "..", "doubles", "device"))]  # fmt: skip

import parsers
from mutate import example

_ESCAPES = 5


def corpus(folder):
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if name[0] != ".":
            with open(folder + "/" + name, "rb") as f:
                yield f.read()


def save(folder, data):
    for path in (folder.rpartition("/")[0], folder):
        try:
            os.mkdir(path)
        except OSError:
            pass
    name = "%s/%08x" % (folder, crc32(data) & 0xFFFFFFFF)
    with open(name, "wb") as f:
        f.write(data)
    return name


def main(parser, seed, count, folder):
    random.seed(int(seed))
    seeds, run = getattr(parsers, parser)()
    opened = open
    done = escapes = 0
    began = time.time()
    trace = count.startswith("-")
    known = corpus(folder)
    count = abs(int(count))
    while done < count and escapes < _ESCAPES:
        try:
            data = next(known)
        except StopIteration:
            data = example(seeds)
        if trace:
            with opened(folder + "/.trying", "wb") as f:
                f.write(data)
        done += 1
        try:
            run(data)
        except Exception as e:
            escapes += 1
            where = save(folder, data)
            print(
                json.dumps(
                    {"escape": type(e).__name__, "text": str(e)[:200], "seed": seed, "input": done, "file": where}
                )
            )
            if escapes == 1 and hasattr(sys, "print_exception"):
                sys.print_exception(e, sys.stderr)
            elif escapes == 1:
                import traceback

                traceback.print_exc()
    print(json.dumps({"inputs": done, "escapes": escapes, "seconds": time.time() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:5])
