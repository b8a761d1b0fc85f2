"""The run's tables: rates by algorithm, totals by lumi section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stream.services.snapshot import pack_array, pack_counts, unpack_counts, unpack_into
from triggers.decision.decide import Counts, DecisionSettings, simulated_seconds
from triggers.decision.groups import Group, GroupCounts, GroupKind, share_crossings
from triggers.events.schema import ALGORITHM_SLOTS
from triggers.menu.model import Menu
from triggers.studies.rates import rate_and_error, rate_table


class RunTables:
    """Adds up the counts of the current lumi section; one that is over becomes a row, for the next commit to take.

    Attributes:
        total: counts of the whole run.
        groups: the same by group of algorithms.
        shares: by algorithm index, crossings of the final OR shared among those that keep them, `(512,) float64`.
        settings: of the current lumi section.
        masked: the algorithms that it leaves out of the final OR.
        lumi_section: the current one, from 1; 0 before the first and after the last.
        budget_control: what the row of the current one says of budgets that act; empty: none do.
        rows: of the lumi sections that are over and not taken yet.
    """

    def __init__(
        self,
        menu: Menu,
        settings: DecisionSettings,
        not_evaluated: Mapping[str, str],
        groups: Sequence[Group] = (),
    ) -> None:
        self._menu, self.settings, self._not_evaluated = menu, settings, dict(not_evaluated)
        n_budgets = len(settings.budgets)
        self.total, self._current = Counts(n_budgets), Counts(n_budgets)
        self.groups, self._current_groups = GroupCounts(groups), GroupCounts(groups)
        self.shares = np.zeros(ALGORITHM_SLOTS, np.float64)
        self._dead: Counter[str] = Counter()
        self._dead_before: Counter[str] = Counter()
        self.lumi_section = 0
        self.budget_control: dict[str, Any] = {}
        self.masked: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self._versions: dict[str, str] = {}
        self._score_sums: Counter[str] = Counter()

    @staticmethod
    def warm_up(final_words: NDArray[np.uint64]) -> None:
        """Compile what counts, or load it from the cache, with bits as they come out of a decision."""
        GroupCounts(()).count(final_words)
        share_crossings(final_words, np.zeros(ALGORITHM_SLOTS, np.float64))

    def start_lumi_section(self, number: int, settings: DecisionSettings, masked: list[str]) -> None:
        """Begin a lumi section.

        Args:
            number: of the run, from 1.
            settings: that its crossings are decided by.
            masked: the algorithms that they leave out of the final OR.
        """
        self._close()
        self.lumi_section = number
        self.use(settings, masked)

    def use(self, settings: DecisionSettings, masked: list[str]) -> None:
        """Let the current lumi section have these settings."""
        self.settings, self.masked = settings, masked

    def forget_lumi_section(self) -> None:
        """Make no row of the current lumi section."""
        self.lumi_section = 0

    def add(self, counts: Counts, final_words: NDArray[np.uint64]) -> None:
        """Add a batch to the current lumi section.

        Args:
            counts: of the batch.
            final_words: the bits that keep each of its crossings with a final OR, `(m, 8) uint64`.
        """
        self.total.add(counts)
        self._current.add(counts)
        self.groups.count(final_words)
        share_crossings(final_words, self.shares)
        self._current_groups.count(final_words)

    @property
    def current(self) -> tuple[Counts, GroupCounts]:
        """What the current lumi section has counted so far."""
        return self._current, self._current_groups

    def add_scores(self, model: str, version: str, total: int) -> None:
        """Add the scores of a batch, added up, that the present version of a model gave."""
        self._versions[model] = version
        self._score_sums[model] += total

    def add_dead(self, cause: str, crossings: int) -> None:
        """Add crossings of the current lumi section that were not taken."""
        self._dead[cause] += crossings

    @property
    def dead(self) -> Counter[str]:
        """Crossings of the run that were not taken, by cause."""
        return self._dead_before + self._dead

    @property
    def seconds(self) -> float:
        """Simulated seconds of the crossings decided."""
        return self._seconds(self.total)

    def snapshot(self) -> dict[str, Any]:
        """All but the rows as JSON."""
        return {
            "total": pack_counts(self.total),
            "current": pack_counts(self._current),
            "groups": _pack_groups(self.groups),
            "shares": pack_array(self.shares),
            "current_groups": _pack_groups(self._current_groups),
            "dead": dict(self._dead),
            "dead_before": dict(self._dead_before),
            "versions": dict(self._versions),
            "score_sums": dict(self._score_sums),
        }

    def restore(self, packed: dict[str, Any]) -> None:
        """Go back to what `snapshot` made; `forget_lumi_section` and `start_lumi_section` come before."""
        unpack_counts(self.total, packed["total"])
        unpack_counts(self._current, packed["current"])
        _unpack_groups(self.groups, packed["groups"])
        unpack_into(self.shares, packed["shares"])
        _unpack_groups(self._current_groups, packed["current_groups"])
        self._dead, self._dead_before = Counter(packed["dead"]), Counter(packed["dead_before"])
        self._versions, self._score_sums = dict(packed["versions"]), Counter(packed["score_sums"])
        self.rows.clear()

    def rates(self) -> pa.Table:
        """Rates by algorithm."""
        settings = self.settings
        return rate_table(self._menu, self.total, settings.factors, self._not_evaluated, settings.colliding_bunches)

    def take_rows(self) -> list[dict[str, Any]]:
        """The rows since the last time."""
        taken, self.rows = self.rows, []
        return taken

    def finish(self) -> dict[str, Any]:
        """End the current lumi section; what the run record says of the tables beside their rows."""
        self._close()
        total, seconds = self.total, self.seconds
        rate_hz, error_hz = rate_and_error(total.accepted, seconds)
        return {
            "simulated_seconds": seconds,
            "accepted_hz": rate_hz,
            "accepted_error_hz": error_hz,
            "suppressed": self._suppressed(total),
            "final_or": total.final_or,
            "blocked": self._blocked(total),
            "dead_time": total.dead_time,
            "dead": dict(self.dead),
            **_group_counts(self.groups),
        }

    def _close(self) -> None:
        if self.lumi_section:
            self.rows.append(self._row())
            unpack_counts(self._current, pack_counts(Counts(len(self.settings.budgets))))
            self._current_groups.clear()
            self._dead_before += self._dead
            self._dead = Counter()
            self._versions, self._score_sums = {}, Counter()
            self.lumi_section = 0

    def _row(self) -> dict[str, Any]:
        counts = self._current
        rate_hz, error_hz = rate_and_error(counts.accepted, self._seconds(counts))
        return {
            "lumi_section": self.lumi_section,
            "prescale_column": self.settings.column or None,
            "masked": self.masked,
            "model_versions": self._versions,
            "score_sums": dict(self._score_sums),
            "decided": counts.crossings,
            "dead": dict(self._dead),
            "accepted": counts.accepted,
            "accepted_hz": rate_hz,
            "accepted_error_hz": error_hz,
            "suppressed": self._suppressed(counts),
            "final_or": counts.final_or,
            "blocked": self._blocked(counts),
            **_group_counts(self._current_groups),
            **({"budget_control": self.budget_control} if self.budget_control else {}),
        }

    def _seconds(self, counts: Counts) -> float:
        return simulated_seconds(counts.crossings, self.settings.colliding_bunches)

    def _blocked(self, counts: Counts) -> dict[str, int]:
        rules = self.settings.rules
        return {str(rule): int(n) for rule, n in zip(rules, counts.blocked, strict=False)}

    def _suppressed(self, counts: Counts) -> dict[str, int]:
        names = (budget.name for budget in self.settings.budgets)
        return {name: int(n) for name, n in zip(names, counts.suppressed, strict=True)}


def _group_counts(counts: GroupCounts) -> dict[str, Any]:
    """Crossings of the final OR, and pure ones, by group and by budget, and of all algorithms on scores."""

    def named(kind: GroupKind) -> dict[str, dict[str, int]]:
        return {name: {"final": final, "pure": pure} for name, (final, pure) in counts.of(kind).items()}

    scores = named(GroupKind.SCORES).get(GroupKind.SCORES, {"final": 0, "pure": 0})
    return {"groups": named(GroupKind.MENU), "budgets": named(GroupKind.BUDGET), "anomaly_detection": scores}


def _pack_groups(counts: GroupCounts) -> dict[str, Any]:
    return {"final": pack_array(counts.final), "pure": pack_array(counts.pure)}


def _unpack_groups(counts: GroupCounts, packed: dict[str, Any]) -> None:
    unpack_into(counts.final, packed["final"])
    unpack_into(counts.pure, packed["pure"])
