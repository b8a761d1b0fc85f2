"""A decision over made-up scores and seeds, whose rates a test can turn up and down in the course of a fill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stream.run.budget_config import EVERYTHING, BudgetSection
from stream.run.budget_controls import budget_controls
from stream.services.changes import Change
from stream.services.decision_changes import DecisionTimeline
from stream.services.fold import CombinerSettings, Fold
from stream.services.model_changes import ModelTimeline, RunVersion, Serving
from stream.services.sinks.tables import RunTables
from stream.wire.messages import Header, Kind
from triggers.decision.budgets import algorithm_words, make_budget
from triggers.decision.groups import groups_of
from triggers.decision.prescales import read_prescales
from triggers.decision.settings import DecisionSettings
from triggers.menu.evaluate import Evaluator
from triggers.menu.load import load_menu

BUNCHES, ORBITS, BATCH = 1000, 100, 25_000
SECTION = BUNCHES * ORBITS
SECTION_S = ORBITS / 11_245.5
MENU = """
name: acting
externals: {EXT_ZeroBias: 4}
algorithms:
  - {index: 0, name: L1_AD, expression: "axol1tl@production:nominal"}
  - {index: 1, name: L1_Jet, expression: JET30}
  - {index: 2, name: L1_Muon, expression: MU22}
"""
JET, MUON = 1, 2
# 1.0, 1.1, 1.21, … 17: from one column to the next a tenth of the jets is lost.
COLUMNS = tuple(f"c{k}" for k in range(30))
TABLE = "\n".join(
    [
        ",".join(["Index", "Name", *COLUMNS]),
        ",".join(["0", "L1_AD", *["1"] * len(COLUMNS)]),
        ",".join(["1", "L1_Jet", *[f"{1.1**k:.2f}" for k in range(len(COLUMNS))]]),
        ",".join(["2", "L1_Muon", *["1"] * len(COLUMNS)]),
    ]
)
POINTS = {"loose": 300, "nominal": 470, "tight": 900}


def version(name: str, thresholds: Mapping[str, int] = POINTS) -> RunVersion:
    return RunVersion("axol1tl", name, f"digest of {name}", "native", dict(thresholds))


class Fill:
    """A fold, and the beam that it decides.

    Args:
        folder: for the files that it reads.
        budgets: sections of a configuration.
        column: of prescales.
        veto: indices of the algorithms that veto.
    """

    def __init__(
        self, folder: Path, budgets: list[dict[str, Any]], column: str = COLUMNS[0], veto: tuple[int, ...] = ()
    ) -> None:
        (folder / "menu.yaml").write_text(MENU)
        (folder / "table.csv").write_text(TABLE + "\n")
        menu, table = load_menu(str(folder / "menu.yaml")), read_prescales(folder / "table.csv")
        sections = [BudgetSection.model_validate(section) for section in budgets]

        def factors_of(name: str) -> np.ndarray:
            return table.factors(name, menu.algorithms)

        def members(section: BudgetSection) -> list[str]:
            everything = [algorithm.name for algorithm in menu.algorithms]
            return everything if EVERYTHING in section.algorithms else list(section.algorithms)

        decision = DecisionSettings(
            factors_of(column),
            BUNCHES,
            tuple(make_budget(s.name, members(s), s.rate_hz, s.burst, menu) for s in sections),
            veto=algorithm_words(veto),
            orbits_per_lumi_section=ORBITS,
            column=column,
        )
        timeline = ModelTimeline(Serving(version("v1")), ("production",))
        evaluator = Evaluator(menu, tuple(timeline.names_in(0)))
        by_name = {budget.name: budget for budget in decision.budgets}
        controls = budget_controls(sections, by_name, evaluator, (timeline,), factors_of)
        settings = CombinerSettings(decision, {"score:axol1tl": timeline}, compare_expected=False, controls=controls)
        groups = groups_of(menu, decision.budgets, evaluator.on_scores)
        self.fold = Fold(
            evaluator,
            settings,
            DecisionTimeline(decision, menu, factors_of, evaluator.on_scores),
            RunTables(menu, decision, {}, groups),
        )
        self._n_words = evaluator.n_words
        self.rows: list[dict[str, Any]] = []

    def decide(self, batches: range, pileup: Mapping[int, float] | float = 60.0) -> list[list[int]]:
        """Decide batches; what is in them depends on their sequence number and the pile-up of their lumi section."""
        accepted = []
        for sequence in batches:
            section, first = divmod(sequence * BATCH, SECTION)
            mean = pileup if isinstance(pileup, float) else pileup[section + 1]
            rng = np.random.default_rng(sequence)
            # One score a crossing; its tail is the longer the more interactions there are.
            scores = rng.exponential(100 * mean / 60, BATCH).astype(np.int32)
            jets = rng.random(BATCH) < 0.02 * (mean / 60) ** 2
            muons = rng.random(BATCH) < 0.001 * mean / 60
            words = np.zeros((BATCH, self._n_words), np.uint64)
            words[:, 0] = jets * np.uint64(1 << JET) | muons * np.uint64(1 << MUON)
            rows = np.flatnonzero(jets | muons).astype(np.uint32)
            header = Header(Kind.BATCH, 1, sequence, first, 0, section + 1, BATCH, BATCH)
            results = {"seeds": [rows, words[rows]], "score:axol1tl": [scores]}
            accepted.append(self.fold.decide(header, results).rows.tolist())
            self.rows += self.fold.tables.take_rows()
        return accepted

    def run(self, lumi_sections: int, pileup: Mapping[int, float] | float = 60.0) -> list[dict[str, Any]]:
        """The rows of whole lumi sections from the first on."""
        self.decide(range(lumi_sections * SECTION // BATCH), pileup)
        self.end()
        return self.rows

    def end(self) -> dict[str, Any]:
        """What the run record says; the last row is made."""
        about = self.fold.finish()
        self.rows += self.fold.tables.take_rows()
        return about

    def command(self, kind: str, lumi_section: int, **arguments: Any) -> Change:
        """A command that holds from a lumi section on."""
        change = Change(f"{kind} {lumi_section}", kind, arguments, lumi_section)
        self.fold.check(change)
        self.fold.follow(change)
        return change

    def put_aside(self) -> Any:
        """A snapshot as it stands on disk."""
        return json.loads(json.dumps(self.fold.snapshot()))


def rates_hz(rows: list[dict[str, Any]], budget: str) -> list[float]:
    """The rate of a budget's group in each lumi section."""
    return [row["budget_control"][budget]["rate_hz"] for row in rows]


def actions(rows: list[dict[str, Any]], budget: str) -> list[dict[str, Any]]:
    """What a budget's controller did."""
    found = (row["budget_control"][budget]["action"] for row in rows)
    return [action for action in found if action is not None]
