"""A chain whose scores come from the C simulation keeps the same crossings, in threads and in processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.firmware.extras import needs_hls4ml
from tests.stream.run.conftest import Ended, chain, crossings

pytestmark = needs_hls4ml

__all__ = ["chain", "crossings"]


@pytest.mark.heavy
def test_a_chain_keeps_the_same_crossings(chain: Callable[..., Ended]) -> None:
    expected = chain().accepted
    assert expected.num_rows > 0
    for transport in ("inproc", "ipc"):
        simulated = chain("scores.0.backend=hls4ml", f"transport={transport}")
        assert simulated.code == 0, simulated.err
        assert simulated.result["produced"] == simulated.result["decided"] > 0
        assert simulated.accepted.equals(expected), transport
