"""Six virtual hours of the agent; `make soak-virtual` runs 72, `make soak` a real one."""

import secrets

import pytest

from tests.soak import virtual


@pytest.mark.parametrize("format, tags", [("cbor", "short"), ("json", "long")])
def test_six_virtual_hours(format, tags):
    seed = secrets.randbelow(2**30)
    hours, sums = virtual.soak(6, seed, format, tags)
    assert len(hours) == 6 and hours[-1]["accepted"] > 20
    assert not virtual.problems(sums), f"seed {seed}: {virtual.problems(sums)}"
