"""`l1chain replay`: menus over recorded crossings, evaluated in parallel, decided and added up in order.

An executor evaluates batches anywhere; one thread decides and counts them in order, so neither the batch size nor who
evaluates changes a digit (`docs/replay.md`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.repository import Repository
from stream.run.evaluation import BlockEvaluator
from stream.run.executors import Executor, ThreadExecutor
from stream.run.kept_sample import KeptSample
from stream.run.replay_files import ExclusiveWriter
from triggers.decision.settings import DecisionSettings
from triggers.errors import BadValue
from triggers.events.crossings import column_view
from triggers.events.source import Source
from triggers.menu.model import Menu
from triggers.studies.compare import Comparison
from triggers.studies.curves import Curve, CurveTally
from triggers.studies.entities import Group
from triggers.studies.normalisation import (
    Normalisation,
    from_bunches,
    from_lumi_sections,
    from_seconds,
    luminosity_scale,
)
from triggers.studies.result import MenuResult, ReplayResult
from triggers.studies.selection import Selection
from triggers.studies.study import MAX_PILEUP_BIN, Crossings, MenuStudy
from triggers.studies.tally import CrossingTally

BATCH_CROSSINGS: Final = 16_384


@dataclass(frozen=True, eq=False)
class ReplayMenu:
    """A menu with what decides.

    Attributes:
        label: `A` or `B`.
        menu: the menu.
        settings: prescales, masks and trigger rules.
        groups: the groups of which rates are told.
        prescales: the prescale table and column, in words.
        without_prescale: algorithms that the table does not list.
        curve: a seed to vary, if it is asked for.
    """

    label: str
    menu: Menu
    settings: DecisionSettings
    groups: tuple[Group, ...]
    prescales: str
    without_prescale: tuple[str, ...] = ()
    curve: Curve | None = None


@dataclass(frozen=True)
class RateOptions:
    """How weights become rates.

    Attributes:
        sample_prescale: of the trigger that recorded the source: normalise by its lumi sections; None: by bunches.
        target_luminosity: scale to it, cm⁻² s⁻¹; None: no scaling.
        luminosity: the sample's own, cm⁻² s⁻¹; None: from its pile-up.
        kept: of a source that is what runs kept: normalise by their time, unless `sample_prescale` is given.
    """

    sample_prescale: float | None = None
    target_luminosity: float | None = None
    luminosity: float | None = None
    kept: KeptSample | None = None


@dataclass
class _Axes:
    """Which bin a crossing's lumi section and process have, and the weights of all bins."""

    sections: dict[int, int] = field(default_factory=dict)
    processes: dict[str, int] = field(default_factory=dict)
    by_section: CrossingTally = field(default_factory=CrossingTally)
    by_pileup: CrossingTally = field(default_factory=CrossingTally)
    by_process: CrossingTally = field(default_factory=CrossingTally)
    pileup_moment: CrossingTally = field(default_factory=CrossingTally)
    n: int = 0

    @property
    def mean_pileup(self) -> float | None:
        """The weighted mean, or None if the source does not know the pile-up."""
        weight = float(self.by_pileup.sums.sum())
        return float(self.pileup_moment.sums[0]) / weight if weight > 0 else None

    def crossings(self, rows: pa.RecordBatch) -> Crossings:
        """The next decided crossings, counted."""
        names = rows.schema.names
        has_weights = "weight" in names
        weights = np.ones(len(rows))
        if has_weights:
            weights = column_view(rows.column("weight")).astype(np.float64)
        run = column_view(rows.column("run")).astype(np.int64)
        keys = run << 32 | column_view(rows.column("lumi_section")).astype(np.int64)
        section = _bins(keys, self.sections)
        pileup = process = None
        if "pileup" in names:
            values = column_view(rows.column("pileup"))
            pileup = np.clip(values, 0, MAX_PILEUP_BIN).astype(np.int64)
            self.by_pileup.add(pileup, weights)
            self.pileup_moment.add(np.zeros(len(rows), np.int64), weights * values)
        if "process" in names:
            process = self._process(rows.column("process"))
            self.by_process.add(process, weights)
        self.by_section.add(section, weights)
        first, self.n = self.n, self.n + len(rows)
        return Crossings(first, weights, not has_weights, section, pileup, process)

    def _process(self, column: pa.DictionaryArray) -> NDArray[np.int64]:
        codes = column.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        names = column.dictionary.to_pylist()
        found = np.full(len(names), -1, np.int64)
        for code in codes[np.sort(np.unique(codes, return_index=True)[1])].tolist():
            found[code] = self.processes.setdefault(names[code], len(self.processes))
        bins: NDArray[np.int64] = found[codes]
        return bins


def _bins(keys: NDArray[np.int64], known: dict[int, int]) -> NDArray[np.int64]:
    """The bin of each key; new keys get the next bins in order of appearance."""
    values, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    bins = np.empty(len(values), np.int64)
    for position in np.argsort(first).tolist():
        bins[position] = known.setdefault(int(values[position]), len(known))
    return bins[inverse]


class Replay:
    """One or two menus over a source.

    Args:
        menus: one or two, in the order A, B.
        repository: where model versions are.
        executor: what evaluates; by default threads, one for each core.
    """

    def __init__(
        self,
        menus: tuple[ReplayMenu, ...],
        repository: Repository,
        executor: Executor | None = None,
    ) -> None:
        self._menus = menus
        self._executor = executor or ThreadExecutor()
        curves = tuple(part.curve.menu if part.curve else None for part in menus)
        self._evaluator = BlockEvaluator(tuple(part.menu for part in menus), curves, repository, self._executor.threads)
        for part, evaluator in zip(menus, self._evaluator.evaluators, strict=True):
            if part.curve and part.curve.seed in evaluator.not_evaluated:
                reason = evaluator.not_evaluated[part.curve.seed]
                raise BadValue("--curve", f"'{part.curve.seed}' is not evaluated: it {reason}", "choose another seed")

    def run(
        self,
        source: Source,
        selection: Selection,
        options: RateOptions,
        exclusive: tuple[ExclusiveWriter, ...] = (),
        on_crossings: Callable[[int], None] = lambda _: None,
        batch_crossings: int = BATCH_CROSSINGS,
    ) -> ReplayResult:
        """Replay the whole source.

        Args:
            source: the crossings.
            selection: which of them count.
            options: how weights become rates.
            exclusive: for two menus, what takes the crossings that only A, and only B, keeps.
            on_crossings: called with the number of crossings of each batch, for progress.
            batch_crossings: crossings in a batch; changes nothing in the result.

        Raises:
            BadValue: no crossing is left, or a normalisation that cannot be.
            L1ChainError: the source's content is damaged.
        """
        begun = time.monotonic()
        studies = tuple(MenuStudy(part.settings, part.groups) for part in self._menus)
        curves = tuple(CurveTally(part.curve) if part.curve else None for part in self._menus)
        comparison = None
        if len(self._menus) > 1:
            comparison = Comparison(self._menus[0].menu, self._menus[1].menu, *studies)
        axes = _Axes()
        for part in self._executor.evaluated(self._evaluator, source, selection, batch_crossings):
            crossings = axes.crossings(part.crossings)
            decisions = [study.add(crossings, bits) for study, bits in zip(studies, part.fired, strict=True)]
            if comparison is not None:
                fired, decided = (part.fired[0], part.fired[1]), (decisions[0], decisions[1])
                for writer, only in zip(exclusive, comparison.add(crossings, fired, decided), strict=True):
                    writer.add(part.whole, crossings.first, only)
            for tally, variants, decision in zip(curves, part.curves, decisions, strict=True):
                if tally is not None and variants is not None:
                    tally.add(crossings, variants, decision.final_rows, decision.final_words)
            on_crossings(len(crossings))
        if not axes.n:
            raise BadValue(source.info.name, "no crossing is left to replay", "check the source and the selection")
        return ReplayResult(
            source=source.info.name,
            missing=source.info.missing,
            selection=selection.text,
            normalisation=self._normalisation(axes, options),
            menus=tuple(self._result(k, studies[k], curves[k]) for k in range(len(studies))),
            lumi_sections=tuple((key >> 32, key & 0xFFFF_FFFF) for key in axes.sections),
            processes=tuple(axes.processes),
            by_lumi_section=axes.by_section,
            by_pileup=axes.by_pileup,
            by_process=axes.by_process,
            mean_pileup=axes.mean_pileup,
            comparison=comparison,
            examples=tuple(example for writer in exclusive for example in writer.examples),
            kept_only={writer.label: (writer.n_crossings, writer.n_written) for writer in exclusive},
            seconds=time.monotonic() - begun,
        )

    def _normalisation(self, axes: _Axes, options: RateOptions) -> Normalisation:
        weight = float(axes.by_section.sums.sum())
        bunches = self._menus[0].settings.colliding_bunches
        scale = 1.0
        sentences: tuple[str, ...] = ("No scaling to another luminosity.",)
        if options.target_luminosity is not None:
            found = luminosity_scale(options.target_luminosity, options.luminosity, axes.mean_pileup, bunches)
            scale, sentences = found.factor, (found.sentence,)
        if options.sample_prescale is not None:
            norm = from_lumi_sections(weight, len(axes.sections), options.sample_prescale, scale)
        elif options.kept is not None:
            norm = from_seconds(weight, options.kept.seconds, scale)
            sentences = (*options.kept.sentences, *sentences)
        else:
            norm = from_bunches(weight, bunches, scale)
        return replace(norm, sentences=norm.sentences + sentences)

    def _result(self, k: int, study: MenuStudy, curve: CurveTally | None) -> MenuResult:
        part, evaluator = self._menus[k], self._evaluator.evaluators[k]
        used = {wanted.score for wanted in evaluator.score_conditions}
        return MenuResult(
            label=part.label,
            menu=part.menu,
            study=study,
            not_evaluated=evaluator.not_evaluated,
            scores={name: version for name, version in self._evaluator.versions.items() if name in used},
            prescales=part.prescales,
            without_prescale=part.without_prescale,
            curve=curve,
        )
