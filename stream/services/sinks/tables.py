"""The run's tables: rates by algorithm, totals by lumi section."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from triggers.decision.decide import Counts, DecisionSettings, simulated_seconds
from triggers.menu.model import Menu
from triggers.studies.rates import rate_and_error, rate_table


class RunTables:
    """Adds up counts and writes `rates.parquet` and `rates.csv` into the run's folder."""

    def __init__(self, folder: Path, menu: Menu, settings: DecisionSettings, not_evaluated: Mapping[str, str]) -> None:
        self._folder, self._menu, self._settings, self._not_evaluated = folder, menu, settings, dict(not_evaluated)
        self._by_lumi_section: dict[int, Counts] = {}

    def add(self, lumi_section: int, counts: Counts) -> None:
        """Add a batch to its lumi section."""
        total = self._by_lumi_section.setdefault(lumi_section, Counts(len(self._settings.budgets)))
        total.add(counts)

    def finish(self, total: Counts, produced: Mapping[int, int]) -> dict[str, Any]:
        """Write the tables; what the run record says of them.

        Args:
            total: counts of the whole run.
            produced: crossings that the producer made, by lumi section.
        """
        factors = self._settings.in_lumi_section(max(self._by_lumi_section, default=1)).factors
        table = rate_table(self._menu, total, factors, self._not_evaluated, self._settings.colliding_bunches)
        pq.write_table(table, self._folder / "rates.parquet")
        pa.csv.write_csv(table, self._folder / "rates.csv")
        rate_hz, error_hz = rate_and_error(total.accepted, self._seconds(total))
        return {
            "simulated_seconds": self._seconds(total),
            "accepted_hz": rate_hz,
            "accepted_error_hz": error_hz,
            "suppressed": self._suppressed(total),
            "final_or": total.final_or,
            "blocked": self._blocked(total),
            "dead_time": total.dead_time,
            "lumi_sections": [self._row(number, made) for number, made in produced.items()],
        }

    def _row(self, number: int, produced: int) -> dict[str, Any]:
        counts = self._by_lumi_section[number]
        rate_hz, error_hz = rate_and_error(counts.accepted, self._seconds(counts))
        return {
            "lumi_section": number,
            "prescale_column": self._settings.in_lumi_section(number).column or None,
            "produced": produced,
            "decided": counts.crossings,
            "accepted": counts.accepted,
            "accepted_hz": rate_hz,
            "accepted_error_hz": error_hz,
            "suppressed": self._suppressed(counts),
            "final_or": counts.final_or,
            "blocked": self._blocked(counts),
        }

    def _seconds(self, counts: Counts) -> float:
        return simulated_seconds(counts.crossings, self._settings.colliding_bunches)

    def _blocked(self, counts: Counts) -> dict[str, int]:
        rules = self._settings.rules
        return {str(rule): int(n) for rule, n in zip(rules, counts.blocked, strict=False)}

    def _suppressed(self, counts: Counts) -> dict[str, int]:
        names = (budget.name for budget in self._settings.budgets)
        return {name: int(n) for name, n in zip(names, counts.suppressed, strict=True)}
