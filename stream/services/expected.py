"""Holds the chain's own bits against those that a source knows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from triggers.decision.budgets import algorithm_words
from triggers.events.schema import ALGORITHM_SLOTS, ALGORITHM_WORDS
from triggers.menu.evaluate import SparseBits
from triggers.menu.model import Algorithm

STAGE = "expected"


class ExpectedCheck:
    """Counts, per algorithm, the crossings in which the evaluated bit differs from the expected one.

    Attributes:
        differing: by algorithm index, `(512,) int64`.
        crossings: compared.
    """

    def __init__(self, evaluated: Iterable[Algorithm]) -> None:
        self._algorithms = tuple(evaluated)
        self._mask = algorithm_words([algorithm.index for algorithm in self._algorithms])
        self.differing = np.zeros(ALGORITHM_SLOTS, np.int64)
        self.crossings = 0

    def add(self, bits: SparseBits, expected_and_known: NDArray[np.uint64]) -> None:
        """Compare a batch.

        Args:
            bits: the algorithm bits, rows counted over decided crossings.
            expected_and_known: `(n, 16)`, the expected words and after them which bits are known.
        """
        found = np.zeros((len(expected_and_known), ALGORITHM_WORDS), np.uint64)
        found[bits.rows] = bits.words
        expected, known = np.split(expected_and_known, 2, axis=1)
        differing = (found ^ expected) & known & self._mask
        wrong = differing[differing.any(axis=1)]
        octets = wrong.astype("<u8").view(np.uint8).reshape(-1, ALGORITHM_SLOTS // 8)
        self.differing += np.unpackbits(octets, axis=1, bitorder="little").sum(axis=0, dtype=np.int64)
        self.crossings += len(found)

    def summary(self) -> dict[str, object]:
        """What was compared and what differs, by algorithm name."""
        wrong = {a.name: int(self.differing[a.index]) for a in self._algorithms if self.differing[a.index]}
        return {"crossings": self.crossings, "algorithms": len(self._algorithms), "differing_bits": wrong}
