"""Fixtures of the fault tests. Every test that asks for `umqtt` runs with both versions of umqtt.simple."""

import itertools
import os
from pathlib import Path

import pytest

from tests.faults.harness import World

DOUBLE = Path(__file__).parents[1] / "doubles" / "device" / "umqtt180"


@pytest.fixture(params=["1.3.4", "1.8.0"])
def umqtt(request, vendor):
    """The folder with umqtt/simple.py: the one of the package index, and 1.8.0 in its place.

    1.8.0 is in no package index. LINKPULSE_UMQTT_180 names a folder that has it as umqtt/simple.py; without it a double
    stands in, written for these tests, that makes the same calls.
    """
    if request.param == "1.3.4":
        return vendor
    return Path(os.environ.get("LINKPULSE_UMQTT_180") or DOUBLE)


@pytest.fixture
def make_world(runtime, umqtt, certs, tmp_path):
    """make_world(**settings) -> a World; all of them end with the test."""
    worlds, numbers = [], itertools.count()

    def make(vendor=umqtt, bundle=certs, **options):
        world = World(runtime, vendor, bundle, tmp_path / str(next(numbers)), **options)
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        world.__exit__(None)


@pytest.fixture
def world(make_world):
    return make_world()
