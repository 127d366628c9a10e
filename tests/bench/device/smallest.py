"""Runs under MicroPython in the smallest heap it can: one report, or with another argument only what that imports."""

import gc

gc.threshold(1024)

import sys  # noqa: E402

from linkpulse.collect.linux import Collector  # noqa: E402
from linkpulse.report import Reporter  # noqa: E402

gc.collect()
code = gc.mem_alloc()
if sys.argv[2] == "report":
    reporter = Reporter(Collector(sys.argv[1], True), "bench", lambda: 1700000000)
    reporter.report()
    reporter.report()
print(code)
