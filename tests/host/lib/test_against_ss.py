"""The device's reports against `ss -Htan`, `ss -Huan` and `ip address`, of the same sockets at the same moment."""

import pytest

from tests.host.lib import live
from tests.host.lib.test_against_psutil import compare, seen  # noqa: F401


@pytest.mark.parametrize("number", range(len(live.RUNS)), ids=["-".join(map(str, run)) for run in live.RUNS])
def test_sockets(seen, number):  # noqa: F811
    compare(seen["runs"][number], seen["runs"][number]["ss"])


def test_another_namespace_through_its_proc_root(seen):  # noqa: F811
    compare(seen["outside"], seen["outside"]["ss"])
