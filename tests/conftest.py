"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HEAVY_TIMEOUT_S = 1200
REPOSITORY = Path(__file__).resolve().parent.parent
os.environ["L1CHAIN_MODELS"] = str(REPOSITORY / "tests" / "no-models-of-the-user")

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("l1chain", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("l1chain")


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of real menus and crossings; skips, visibly, where it is absent (never in CI)."""
    folder = Path(os.environ.get("L1CHAIN_CONFORMANCE", REPOSITORY.parent / "shared" / "conformance"))
    if not (folder / "pairs.json").exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the conformance data; there is none at {folder}")
        pytest.skip(f"no conformance data at {folder} (L1CHAIN_CONFORMANCE names its folder)")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Heavy tests may take longer than the limit of the others, which finds those that hang."""
    for item in items:
        if item.get_closest_marker("heavy") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(HEAVY_TIMEOUT_S))
