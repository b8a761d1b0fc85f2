"""Everything that a replay adds up for one menu, crossing by crossing in order (`docs/replay.md`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.decision.counts import Counts
from triggers.decision.decide import Decision, DecisionState, decide
from triggers.decision.settings import DecisionSettings
from triggers.events.schema import ALGORITHM_WORDS
from triggers.menu.evaluate import SparseBits
from triggers.studies.entities import Group, group_words, with_groups
from triggers.studies.overlap import OverlapTally
from triggers.studies.tally import ShareTally, Tally

MAX_PILEUP_BIN: Final = 255
"""Pile-up is counted in bins of one interaction; the last takes all beyond."""


@dataclass(frozen=True, eq=False)
class Crossings:
    """The decided crossings of one batch, in order.

    Attributes:
        first: index of the first in the replay.
        weights: `(n,) float64`.
        unit_weights: whether all weights of the source are 1.
        lumi_section: bin of each crossing by run and lumi section, `(n,) int64`.
        pileup: bin of each crossing by pile-up, `(n,) int64`; None if the source does not know it.
        process: bin of each crossing by process, `(n,) int64`; None if the source does not know it.
    """

    first: int
    weights: NDArray[np.float64]
    unit_weights: bool
    lumi_section: NDArray[np.int64]
    pileup: NDArray[np.int64] | None = None
    process: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.weights)


class MenuStudy:
    """What one menu decides about a sample.

    Attributes:
        groups: the groups of which rates are told.
        settings: what the decision is made by.
        counts: of the decision, crossings without weights.
        fired: before the prescale, by run and lumi section.
        fired_by_pileup: before the prescale, by pile-up.
        final: what kept crossings of the final OR, by run and lumi section.
        final_by_pileup, final_by_process: the same by pile-up and process.
        shares: pure and proportional weights.
        overlap: of what kept crossings of the final OR.
    """

    def __init__(self, settings: DecisionSettings, groups: tuple[Group, ...]) -> None:
        self.settings, self.groups = settings, groups
        self._group_words = group_words(groups)
        self._state = DecisionState(len(settings.budgets))
        self._lumi_section = 0
        self.counts = Counts(len(settings.budgets))
        self.fired, self.final = Tally(), Tally()
        self.fired_by_pileup, self.final_by_pileup = Tally(), Tally()
        self.final_by_process = Tally()
        self.shares = ShareTally()
        self.overlap = OverlapTally()

    def add(self, crossings: Crossings, bits: SparseBits) -> Decision:
        """Decide the next crossings and add them up.

        Args:
            crossings: the batch.
            bits: what fired, with rows counted over the batch's crossings.

        Returns:
            the decision, with rows of the batch.
        """
        decision = self._decide(crossings, bits)
        self._tally(bits.words, np.zeros(len(bits.rows), np.bool_), bits.rows, crossings, before=True)
        words = self._tally(decision.final_words, decision.accepted, decision.final_rows, crossings, before=False)
        weights = crossings.weights[decision.final_rows]
        self.shares.add(words, self._group_words, weights)
        self.overlap.add(words, None if crossings.unit_weights else weights)
        return decision

    def _tally(
        self,
        words: NDArray[np.uint64],
        accepted: NDArray[np.bool_],
        rows: NDArray[np.uint32],
        crossings: Crossings,
        before: bool,
    ) -> NDArray[np.uint64]:
        extended = with_groups(words, self._group_words, accepted)
        weights = crossings.weights[rows]
        by_section = self.fired if before else self.final
        by_section.add(extended, crossings.lumi_section[rows], weights)
        if crossings.pileup is not None:
            by_pileup = self.fired_by_pileup if before else self.final_by_pileup
            by_pileup.add(extended, crossings.pileup[rows], weights)
        if crossings.process is not None and not before:
            self.final_by_process.add(extended, crossings.process[rows], weights)
        return extended

    def _decide(self, crossings: Crossings, bits: SparseBits) -> Decision:
        """Decide a batch, lumi section by lumi section of the beam that the crossings stand for."""
        length = self.settings.crossings_per_lumi_section
        rows, words, accepted = [], [], []
        begin = crossings.first
        while begin < crossings.first + len(crossings):
            number, first = divmod(begin, length)
            end = min(crossings.first + len(crossings), (number + 1) * length)
            settings = self.settings.in_lumi_section(number + 1)
            if number + 1 != self._lumi_section:
                self._lumi_section = number + 1
                self._state.start_lumi_section(settings)
            in_batch = begin - crossings.first
            low, high = np.searchsorted(bits.rows, [in_batch, end - crossings.first])
            part = SparseBits(bits.rows[low:high], bits.words[low:high])
            crossing_of_row = first + part.rows.astype(np.int64) - in_batch
            decision = decide(settings, self._state, self.counts, part, crossing_of_row)
            rows.append(decision.final_rows)
            words.append(decision.final_words)
            accepted.append(decision.accepted)
            begin = end
        self.counts.crossings += len(crossings)
        if len(rows) == 1:
            return Decision(rows[0], words[0], accepted[0])
        if not rows:
            return Decision(np.empty(0, np.uint32), np.empty((0, ALGORITHM_WORDS), np.uint64), np.empty(0, np.bool_))
        return Decision(np.concatenate(rows), np.concatenate(words), np.concatenate(accepted))
