"""Rate budgets of groups of algorithms: token buckets in simulated time (`docs/decision.md`, section "Budgets").

A budget of R Hz starts each lumi section empty, fills at R tokens per simulated second up to its burst, and spends one
token on each crossing that a group's algorithm would accept; without a whole token the group's bits are suppressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue, UnknownName
from triggers.events.schema import ALGORITHM_WORDS
from triggers.menu.model import Menu


@dataclass(frozen=True)
class Budget:
    """A budget as the decision uses it.

    Attributes:
        name: what rate tables call it.
        words: the group's algorithm bits, `(8,) uint64`.
        rate_hz: tokens per simulated second.
        burst: the most tokens that can be saved up; at least 1.
    """

    name: str
    words: NDArray[np.uint64]
    rate_hz: float
    burst: float


def algorithm_words(indices: Sequence[int]) -> NDArray[np.uint64]:
    """The bits of the given algorithm indices, `(8,) uint64`."""
    words = np.zeros(ALGORITHM_WORDS, np.uint64)
    for index in indices:
        words[index // 64] |= np.uint64(1 << (index % 64))
    return words


def make_budget(name: str, members: Sequence[str], rate_hz: float, burst: float, menu: Menu) -> Budget:
    """A budget on algorithms or groups of a menu, given by name.

    Raises:
        UnknownName: neither an algorithm nor a group of the menu.
        BadValue: a rate or burst that cannot be.
    """
    where = f"budget '{name}'"
    if not rate_hz >= 0 or not burst >= 1:
        raise BadValue(where, f"rate {rate_hz} Hz with burst {burst}", "give a rate from 0 and a burst from 1")
    return Budget(name, algorithm_words(member_indices(where, members, menu)), rate_hz, burst)


def member_indices(where: str, members: Sequence[str], menu: Menu) -> list[int]:
    """Algorithm indices of names that stand for algorithms or groups of a menu.

    Raises:
        UnknownName: neither an algorithm nor a group of the menu.
    """
    by_name = {algorithm.name: algorithm.index for algorithm in menu.algorithms}
    indices: list[int] = []
    for member in members:
        for algorithm in menu.groups.get(member, (member,)):
            if algorithm not in by_name:
                raise UnknownName(where, "algorithm or group", algorithm, [*by_name, *menu.groups])
            indices.append(by_name[algorithm])
    return indices
