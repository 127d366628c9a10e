# SPDX-License-Identifier: MIT
"""Writes one report of this machine to standard output as raw bytes, and does not publish it.

The argument is the settings file. Standard error gets a line about what the platform can see and what it could not
read.
"""

import gc

gc.threshold(4096)  # collect while modules load, so that the heap stays in one piece

import sys
from linkpulse.collect import choose
from linkpulse.report import Reporter
from linkpulse.settings import load
from linkpulse.report.report_ids import Ids

s = load(sys.argv[1], online=False)
reporter = Reporter(
    choose(s), s.thing, Ids().next, format=s.format, tags=s.tags, connections=s.connections, size=s.buffer
)
sys.stdout.buffer.write(reporter.report())
print("seen: %s" % reporter.source, file=sys.stderr)
if reporter.skipped:
    print("%d rows could not be read and were left out" % reporter.skipped, file=sys.stderr)
