"""The scores of a batch as the decision needs them: names, thresholds, what shadows and drift are counted from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.services.changes import Change
from stream.services.drift import ScoreDrift
from stream.services.model_changes import ModelTimeline, RunVersion, swapped
from stream.services.shadow import ShadowCounts
from stream.services.sinks.tables import RunTables
from triggers.errors import UnknownName
from triggers.menu.evaluate import Evaluator
from triggers.menu.model import WorkingPointCondition

Results = Mapping[str, list[NDArray[Any]]]


class Scoring:
    """Follows the versions of all models from lumi section to lumi section.

    Args:
        evaluator: of the menu.
        models: the versions in each lumi section, by score stage.

    Attributes:
        thresholds: of the menu's working points in the present lumi section.
        versions: that decide in it, by score stage.
    """

    def __init__(self, evaluator: Evaluator, models: Mapping[str, ModelTimeline]) -> None:
        self._models = models
        self._working_points = tuple(
            wanted.threshold
            for wanted in evaluator.score_conditions
            if isinstance(wanted.threshold, WorkingPointCondition)
        )
        self.drifts: dict[str, ScoreDrift] = {}
        self.shadows: dict[tuple[str, str], ShadowCounts] = {}
        self._places: dict[str, tuple[str, int]] = {}
        self.thresholds: dict[WorkingPointCondition, int] = {}
        self.versions: dict[str, str] = {}
        self.start_lumi_section(0)

    def start_lumi_section(self, lumi_section: int) -> None:
        """Let the versions of a lumi section hold."""
        self._lumi_section = lumi_section
        self._places = {
            name: (stage, place)
            for stage, timeline in self._models.items()
            for name, place in timeline.names_in(lumi_section).items()
        }
        self._scored = {stage: timeline.serving_in(lumi_section) for stage, timeline in self._models.items()}
        self.versions = {stage: serving.production.version for stage, serving in self._scored.items()}
        self.thresholds = {point: self._threshold(point) for point in self._working_points}

    def check(self, change: Change) -> bool:
        """Whether a change is one of a model here; if so, it is checked.

        Raises:
            UnknownName: the version lacks a working point that the menu names.
        """
        for timeline in self._models.values():
            if timeline.concerns(change):
                production = swapped(timeline.latest, change).production
                for point in self._working_points:
                    if f"{point.model}@{point.alias}" in timeline.alias_names:
                        threshold_of(production, point)
                return True
        return False

    def follow(self, change: Change, lumi_section: int) -> None:
        """Follow a change; it may hold already in the lumi section to which a commit led back."""
        for timeline in self._models.values():
            timeline.add([change])
        self.start_lumi_section(lumi_section)

    def scores(self, results: Results) -> dict[str, NDArray[np.int32]]:
        """Every score of a batch by the names that conditions use, `(n,)` each."""
        return {name: results[stage][place] for name, (stage, place) in self._places.items()}

    def count(self, results: Results, tables: RunTables) -> None:
        """Add the scores of a batch to tables, drift and shadows."""
        for stage, serving in self._scored.items():
            scores, production = results[stage][0], serving.production
            tables.add_scores(production.model, production.version, int(scores.sum(dtype=np.int64)))
            self._drift(production).add(scores)
            if serving.shadow is not None:
                rows, shadow = results[stage][-2:]
                self._drift(serving.shadow).add(shadow)
                self._shadow(production, serving.shadow).add(scores[rows], shadow)

    @property
    def drifts_in_use(self) -> list[ScoreDrift]:
        """Those of the versions that decide, or are candidates, in the present lumi section."""
        versions = [v for serving in self._scored.values() for v in (serving.production, serving.shadow) if v]
        return [self.drifts[version.label] for version in versions if version.label in self.drifts]

    def summary(self) -> list[dict[str, Any]]:
        """The models with their versions, and what shadows and drift have come to."""
        return [
            {
                "model": timeline.model,
                "stage": stage,
                "production": self._scored[stage].production.version,
                "digest": self._scored[stage].production.digest,
                "also": [version.version for version in self._scored[stage].also],
                "shadow": shadow.version if (shadow := self._scored[stage].shadow) else None,
                "fraction": self._scored[stage].fraction,
                "drift": {drift.version: drift.psi for drift in self.drifts.values() if drift.model == timeline.model},
                "shadows": [s.summary() for s in self.shadows.values() if s.candidate.model == timeline.model],
            }
            for stage, timeline in self._models.items()
        ]

    def snapshot(self) -> dict[str, Any]:
        """The counts as JSON."""
        return {
            "drifts": [drift.snapshot() for drift in self.drifts.values()],
            "shadows": [shadow.snapshot() for shadow in self.shadows.values()],
        }

    def restore(self, packed: dict[str, Any]) -> None:
        """Go back to what `snapshot` made."""
        drifts = [ScoreDrift.restored(drift) for drift in packed["drifts"]]
        shadows = [ShadowCounts.restored(shadow) for shadow in packed["shadows"]]
        self.drifts = {drift.label: drift for drift in drifts}
        self.shadows = {shadow.key: shadow for shadow in shadows}

    def _drift(self, version: RunVersion) -> ScoreDrift:
        if version.label not in self.drifts:
            self.drifts[version.label] = ScoreDrift(version)
        return self.drifts[version.label]

    def _shadow(self, production: RunVersion, candidate: RunVersion) -> ShadowCounts:
        key = production.label, candidate.label
        if key not in self.shadows:
            self.shadows[key] = ShadowCounts(production, candidate)
        return self.shadows[key]

    def source_of(self, point: WorkingPointCondition) -> tuple[str, int, RunVersion]:
        """The stage that scores for a working point in the present lumi section, the place in its results, the version.

        Raises:
            KeyError: no stage does.
        """
        stage, place = self._places[f"{point.model}@{point.alias}"]
        return stage, place, self._scored[stage].scored[place]

    def source_after(self, point: WorkingPointCondition, change: Change) -> RunVersion | None:
        """The version that scores for a working point after a change; None: the change does not concern it."""
        for timeline in self._models.values():
            if timeline.concerns(change) and f"{point.model}@{point.alias}" in timeline.alias_names:
                return swapped(timeline.latest, change).production
        return None

    def _threshold(self, point: WorkingPointCondition) -> int:
        return threshold_of(self.source_of(point)[2], point)


def threshold_of(version: RunVersion, point: WorkingPointCondition) -> int:
    """The threshold of a working point.

    Raises:
        UnknownName: the version has no such working point.
    """
    if point.working_point not in version.thresholds:
        raise UnknownName("menu", f"working point of {version.label}", point.working_point, version.thresholds)
    return version.thresholds[point.working_point]
