"""A prepared simulation from hand-made interactions, shared by the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.triggers.events.simulation import pool_parts
from triggers.events.simulation.simulator import Simulator


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with hand-made pools of zero bias and ttbar."""
    folder = tmp_path_factory.mktemp("cache") / "l1chain" / "simulation"
    pool_parts.write_cache(folder, "ttbar")
    return folder


@pytest.fixture(scope="session")
def zero_bias(cache: Path) -> Simulator:
    """Zero bias, ready."""
    return Simulator.prepare(interactions=10, folder=cache)


@pytest.fixture(scope="session")
def ttbar(cache: Path) -> Simulator:
    """Top pairs with pile-up, ready."""
    return Simulator.prepare("ttbar", interactions=10, folder=cache)
