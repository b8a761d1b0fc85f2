"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
os.environ["L1CHAIN_MODELS"] = str(REPOSITORY / "tests" / "no-models-of-the-user")


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of real menus and crossings; skips, visibly, where it is absent (never in CI)."""
    folder = Path(os.environ.get("L1CHAIN_CONFORMANCE", REPOSITORY.parent / "shared" / "conformance"))
    if not (folder / "pairs.json").exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the conformance data; there is none at {folder}")
        pytest.skip(f"no conformance data at {folder} (L1CHAIN_CONFORMANCE names its folder)")
    return folder
