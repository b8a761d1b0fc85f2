"""Arrays and counts as JSON, bit for bit: what a checkpoint holds (`docs/run-folder.md`, section "Checkpoints")."""

from __future__ import annotations

import base64
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.decision.decide import Counts, DecisionState
from triggers.decision.rate_control import Seen

_COUNT_ARRAYS: Final = ("by_step", "wanted", "suppressed", "blocked")
_COUNT_NUMBERS: Final = ("crossings", "after_prescale", "vetoed", "final_or", "accepted")
_STATE_ARRAYS: Final = ("prescale_counters", "tokens", "token_times", "recent_accepts")


def pack_array(values: NDArray[Any]) -> dict[str, Any]:
    """An array as JSON: its type, little endian, and its bytes."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return {"dtype": little.dtype.str, "base64": base64.b64encode(little.tobytes()).decode("ascii")}


def unpack_into(values: NDArray[Any], packed: dict[str, Any]) -> None:
    """Write what `pack_array` made into an array of the same shape and type.

    Raises:
        ValueError: it is of another size or type.
    """
    found = np.frombuffer(base64.b64decode(packed["base64"], validate=True), np.dtype(packed["dtype"]))
    if found.dtype != values.dtype or found.size != values.size:
        raise ValueError(f"{found.size} values of {found.dtype}, expected {values.size} of {values.dtype}")
    values[...] = found.reshape(values.shape)


def pack_counts(counts: Counts) -> dict[str, Any]:
    """Counts as JSON."""
    numbers: dict[str, Any] = {name: int(getattr(counts, name)) for name in _COUNT_NUMBERS}
    return numbers | {name: pack_array(getattr(counts, name)) for name in _COUNT_ARRAYS}


def unpack_counts(counts: Counts, packed: dict[str, Any]) -> None:
    """Set counts to what `pack_counts` made, in place."""
    for name in _COUNT_NUMBERS:
        setattr(counts, name, int(packed[name]))
    for name in _COUNT_ARRAYS:
        unpack_into(getattr(counts, name), packed[name])


def pack_state(state: DecisionState) -> dict[str, Any]:
    """A decision state as JSON."""
    return {name: pack_array(getattr(state, name)) for name in _STATE_ARRAYS}


def unpack_state(state: DecisionState, packed: dict[str, Any]) -> None:
    """Set a decision state to what `pack_state` made, in place."""
    for name in _STATE_ARRAYS:
        unpack_into(getattr(state, name), packed[name])


def pack_seen(seen: Seen) -> dict[str, Any]:
    """What a controller of a budget counted, as JSON."""
    numbers = {"count": seen.count, "seconds": seen.seconds, "present": seen.present}
    return numbers | {"options": len(seen.by_option), "by_option": pack_array(seen.by_option)}


def unpack_seen(packed: dict[str, Any]) -> Seen:
    """What `pack_seen` packed."""
    by_option = np.zeros(int(packed["options"]), np.float64)
    unpack_into(by_option, packed["by_option"])
    return Seen(float(packed["count"]), float(packed["seconds"]), by_option, float(packed["present"]))
