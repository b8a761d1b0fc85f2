"""External signals (`docs/menu-semantics.md`, section "External signals")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue
from triggers.menu.conditions.crossings import Crossings
from triggers.menu.model import ExternalCondition

WORD_BITS = 64


def external(condition: ExternalCondition, crossings: Crossings) -> NDArray[np.bool_]:
    """Whether the signal is there in the condition's crossing, `(n,)`.

    Raises:
        BadValue: the menu's signal set gives the signal no channel.
    """
    if condition.channel is None:
        raise BadValue(condition.signal, "the signal has no channel", "add it to the menu's ext_signal_set")
    word, bit = divmod(condition.channel, WORD_BITS)
    words = crossings.at(condition.bx_offset)["external"][:, word]
    return np.asarray((words.astype(np.uint64) >> np.uint64(bit)) & np.uint64(1) == 1)
