"""From a configuration to the parts of a run; the same in a thread and in a process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.backends.registry import open_backend
from models.repository import LoadedVersion, Repository, open_repository
from stream.errors import SourceEmpty
from stream.run.budget_controls import budget_controls
from stream.run.config import ChainConfig, ScoreSection
from stream.run.decision import decision_settings
from stream.run.hlt import HltStage
from stream.run.versions import run_version, versions_named
from stream.services import expected, seeds
from stream.services.budget_control import BudgetControl
from stream.services.combiner import Combiner
from stream.services.decision_changes import DecisionTimeline
from stream.services.delivery import DeliverySettings, Peer
from stream.services.exported import ExportSettings
from stream.services.fold import CombinerSettings
from stream.services.hlt import with_hlt
from stream.services.model_changes import ModelTimeline, Serving
from stream.services.pace import Pace
from stream.services.plan import PlanSettings
from stream.services.producer import Producer, ProducerSettings
from stream.services.score import ScoreWorker
from stream.services.scorers import Scorers
from stream.services.scoring import Scoring
from stream.services.seeds import ExpectedWorker, SeedsWorker
from stream.services.service import Service
from stream.services.sinks.accepted import accepted_schema
from stream.services.sinks.files import RunFiles
from stream.services.sinks.tables import RunTables
from stream.services.sinks.trace import BatchTrace
from stream.services.stage import StageService, Worker
from stream.wire.transport import Wiring
from triggers.decision.budgets import member_indices
from triggers.decision.groups import Group, groups_of
from triggers.decision.prescales import read_prescales
from triggers.decision.settings import DecisionSettings
from triggers.errors import BadValue
from triggers.events import schema
from triggers.events.formats import SourceFormat
from triggers.events.open import open_source
from triggers.events.source import Source
from triggers.menu.evaluate import Evaluator
from triggers.menu.load import load_menu
from triggers.menu.model import Menu, WorkingPointCondition

PRODUCER = "producer"
COMBINER = "combiner"


@dataclass(frozen=True)
class ScoreStage:
    """A configured score stage and what its score is called.

    Attributes:
        stage: the stage's name, `score:NAME`.
        section: its configuration.
        version: the version that an alias stands for, loaded.
        names: what conditions may call its score: by version, and by each alias that stands for the version.
        aliases: that stand for the version.
        also: versions that score every crossing too, as the menu names them.
        shadow: a candidate.
    """

    stage: str
    section: ScoreSection
    version: LoadedVersion
    names: tuple[str, ...]
    aliases: tuple[str, ...]
    also: tuple[LoadedVersion, ...]
    shadow: LoadedVersion | None

    @property
    def versions(self) -> tuple[LoadedVersion, ...]:
        """All versions that the stage begins with."""
        return (self.version, *self.also, *([self.shadow] if self.shadow else []))

    @property
    def timeline(self) -> ModelTimeline:
        """The versions by lumi section, as the configuration says; a new one for each service."""
        backend, shadow = self.section.backend, self.section.shadow
        serving = Serving(
            run_version(self.version, backend),
            tuple(run_version(version, backend) for version in self.also),
            None if self.shadow is None else run_version(self.shadow, backend),
            0.0 if shadow is None else shadow.fraction,
        )
        return ModelTimeline(serving, self.aliases)


class Assembly:
    """Everything a run is made of, each part loaded when first asked for.

    Every attribute may raise an `L1ChainError` that says what is wrong with the input behind it.
    """

    def __init__(self, config: ChainConfig) -> None:
        self.config = config

    @cached_property
    def menu(self) -> Menu:
        """The menu."""
        return load_menu(self.config.menu.path)

    @cached_property
    def source(self) -> Source:
        """One pass over the source."""
        settings = self.config.source
        if settings.format is SourceFormat.SYNTHETIC:
            from triggers.events.synthetic import SyntheticSource  # compiles kernels that other sources do not need

            crossings = settings.crossings or self._crossings_of_run
            return SyntheticSource(n_crossings=crossings, seed=settings.seed, pileup=settings.pileup)
        algorithms = {algorithm.name: algorithm.index for algorithm in self.menu.algorithms}
        return open_source(settings.paths, settings.format, algorithms)

    @property
    def _crossings_of_run(self) -> int:
        run = self.config.run
        return run.crossings_per_lumi_section * (run.lumi_sections or 1)

    @cached_property
    def repository(self) -> Repository:
        """Where model versions are."""
        return open_repository(self.config.models.repository)

    @cached_property
    def score_stages(self) -> tuple[ScoreStage, ...]:
        """The configured score stages with their versions."""
        return tuple(self._score_stage(section) for section in self.config.scores)

    def _score_stage(self, section: ScoreSection) -> ScoreStage:
        model, repository = section.name, self.repository
        version = repository.load(model, section.version)
        resolved, known = version.manifest.version, repository.versions(model)
        aliases = section.aliases
        if aliases is None:
            aliases = tuple(alias for alias, target in repository.aliases(model).items() if target == resolved)
        named = versions_named(self.menu, model)
        wanted = [name for name in named if name in known] if section.also is None else list(section.also)
        # Algorithms that name the version exactly keep it when another one is swapped in.
        wanted += [resolved] if resolved in named else []
        also = {loaded.label: loaded for loaded in (repository.load(model, name) for name in wanted)}
        shadow = None if section.shadow is None else repository.load(model, section.shadow.version)
        names = (f"{model}/{resolved}", f"{model}@{resolved}", *(f"{model}@{alias}" for alias in aliases))
        return ScoreStage(f"score:{model}", section, version, names, aliases, tuple(also.values()), shadow)

    @cached_property
    def pinned(self) -> ChainConfig:
        """The configuration with every alias resolved, so that all services of the run mean the same versions."""
        sections = [
            stage.section.model_copy(
                update={
                    "version": stage.version.manifest.version,
                    "also": tuple(version.manifest.version for version in stage.also),
                    "aliases": stage.aliases,
                    "shadow": stage.section.shadow
                    and stage.section.shadow.model_copy(
                        update={"version": stage.shadow and stage.shadow.manifest.version}
                    ),
                }
            )
            for stage in self.score_stages
        ]
        return self.config.model_copy(update={"scores": tuple(sections), "hlt": self.hlt and self.hlt.pinned})

    @cached_property
    def hlt(self) -> HltStage | None:
        """The stage after the L1 accept, if there is one."""
        return None if self.config.hlt is None else HltStage(self.config.hlt, self.repository)

    @cached_property
    def evaluator(self) -> Evaluator:
        """The menu, ready to evaluate."""
        names = [name for stage in self.score_stages for name in stage.timeline.names_in(0)]
        return Evaluator(self.menu, names)

    @cached_property
    def thresholds(self) -> dict[WorkingPointCondition, int]:
        """The threshold of each working point that the menu names and a configured version has, at the start."""
        return Scoring(self.evaluator, self.timelines).thresholds

    @property
    def timelines(self) -> dict[str, ModelTimeline]:
        """The versions of each model by lumi section, by stage; new ones for each service."""
        return {stage.stage: stage.timeline for stage in self.score_stages}

    @cached_property
    def decision(self) -> DecisionSettings:
        """Prescales, budgets and masks."""
        return decision_settings(self.config, self.menu)

    @property
    def compares_expected(self) -> bool:
        """Whether the source knows algorithm bits to compare with."""
        return {"expected", "expected_known"} <= set(self.source.info.optional_columns)

    @property
    def replicas(self) -> dict[str, int]:
        """How many replicas each stage has."""
        stages = {seeds.STAGE: self.config.seeds.replicas}
        stages |= {stage.stage: stage.section.replicas for stage in self.score_stages}
        return {**stages, expected.STAGE: 1} if self.compares_expected else stages

    @property
    def service_names(self) -> tuple[str, ...]:
        """Every service of the run."""
        stages = [f"{stage}.{k}" for stage, n in self.replicas.items() for k in range(n)]
        return (PRODUCER, COMBINER, *stages)

    def check(self) -> None:
        """Load every part, so that bad input is found before anything starts."""
        _ = (self.menu, self.source, self.evaluator, self.thresholds, self.decision, self.groups, self.exports)
        _ = self.controls
        if next(iter(self.source.batches(1)), None) is None:
            raise SourceEmpty(self.source.info.name)
        for stage in self.score_stages:
            for version in stage.versions:
                self._check_columns(version, open_backend(stage.section.backend, version).needed_columns)
        if self.hlt is not None:
            self.hlt.check(self.source.info)

    def _check_columns(self, version: LoadedVersion, needed: Iterable[str]) -> None:
        source = self.source.info
        lacking = sorted(set(needed) - set(schema.REQUIRED.names) - set(source.optional_columns))
        if lacking:
            what = f"{version.label} reads {', '.join(lacking)}, which {source.name} does not have"
            raise BadValue("scores", what, "leave the model out, or give crossings that have it")

    @property
    def delivery(self) -> DeliverySettings:
        """How soon what is lost is made good."""
        section, run = self.config.delivery, self.config.run
        orbits = section.checkpoint_orbits
        return DeliverySettings(
            section.heartbeat_s,
            section.lost_after_s,
            section.resend_after_s,
            section.checkpoint_batches,
            orbits * run.colliding_bunches if orbits else None,
        )

    def service(
        self,
        peer: Peer,
        wiring: Wiring,
        cpu_clock: Callable[[], int],
        folder: Path,
        leave: Callable[[], None] | None = None,
    ) -> Service:
        """A service.

        Args:
            peer: its name, one of `service_names`, and its incarnation.
            wiring: where the run's sockets are.
            cpu_clock: CPU time of whatever the service runs in, ns.
            folder: the run's folder.
            leave: ends the process that the service is; None in a thread.
        """
        if peer.name == PRODUCER:
            settings, skipped = self._producer_settings(), self._skipped if self._can_skip else None
            return Producer(peer, wiring, cpu_clock, self.delivery, self.source, settings, skipped, leave)
        if peer.name == COMBINER:
            return self._combiner(peer, wiring, cpu_clock, folder, leave)
        stage = peer.name.rpartition(".")[0]
        return StageService(peer, wiring, cpu_clock, self.delivery, lambda: self._worker(stage), leave)

    @property
    def _can_skip(self) -> bool:
        return self.config.source.format is SourceFormat.SYNTHETIC

    def _skipped(self, crossings: int) -> Source:
        """The synthetic source without its first crossings: none of them has to be made."""
        from triggers.events.synthetic import SyntheticSource

        source = self.source
        if not isinstance(source, SyntheticSource):
            raise TypeError(f"{source.info.name} can only be read from its start")
        return replace(source, first=source.first + crossings, n_crossings=source.n_crossings - crossings)

    def _worker(self, stage: str) -> Worker:
        if stage == seeds.STAGE:
            return SeedsWorker(self.evaluator)
        if stage == expected.STAGE:
            return ExpectedWorker()
        chosen = next(s for s in self.score_stages if s.stage == stage)
        return ScoreWorker(chosen.timeline, Scorers(lambda: self.repository))

    def _producer_settings(self) -> ProducerSettings:
        config = self.config
        repeat, run, window = config.source.repeat, config.run, config.batch.window
        plan = PlanSettings(
            crossings_per_lumi_section=run.crossings_per_lumi_section,
            repeat=None if repeat == "forever" else repeat,
            batch_crossings=config.batch.crossings,
            neighbours="bx" in self.evaluator.needed_columns,
            prepare=config.source.prepare,
        )
        return ProducerSettings(
            plan,
            lumi_sections=run.lumi_sections,
            window=window,
            # Room for what is undecided, what a commit waits for, and what is decided while it is written.
            hold=2 * window + config.delivery.checkpoint_batches,
            replicas=self.replicas,
            pace=Pace(run.pace * self.decision.crossings_per_second, run.buffer_s) if run.pace else None,
        )

    def _combiner(
        self,
        peer: Peer,
        wiring: Wiring,
        cpu_clock: Callable[[], int],
        folder: Path,
        leave: Callable[[], None] | None,
    ) -> Combiner:
        settings = CombinerSettings(
            self.decision,
            self.timelines,
            self.compares_expected,
            self.controls,
        )
        schema = accepted_schema(self.source.info.optional_columns, tuple(settings.models))
        hlt = None if self.hlt is None else self.hlt.service(self.config.run)
        schema = schema if hlt is None else with_hlt(schema)
        files = RunFiles(folder, schema, peer.incarnation)
        tables = RunTables(self.menu, self.decision, self.evaluator.not_evaluated, self.groups)
        factors_of = self._factors_of if self.config.prescales else None
        timeline = DecisionTimeline(self.decision, self.menu, factors_of, self.evaluator.on_scores)
        return Combiner(
            peer,
            wiring,
            cpu_clock,
            self.delivery,
            self.evaluator,
            settings,
            timeline,
            tables,
            files,
            self.exports,
            BatchTrace(folder) if self.config.run.trace else None,
            leave,
            hlt,
            self.config.security.watch,
        )

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of algorithms whose crossings are counted."""
        return groups_of(self.menu, self.decision.budgets, self.evaluator.on_scores)

    @cached_property
    def controls(self) -> tuple[BudgetControl, ...]:
        """The budgets that act."""
        budgets = {budget.name: budget for budget in self.decision.budgets}
        timelines = self.timelines.values()
        return budget_controls(self.config.budgets, budgets, self.evaluator, timelines, self._factors_of)

    @property
    def exports(self) -> ExportSettings:
        """The algorithms that the metrics tell of."""
        section, names = self.config.metrics, {algorithm.index: algorithm.name for algorithm in self.menu.algorithms}
        chosen = member_indices("metrics.algorithms", section.algorithms, self.menu)
        return ExportSettings(frozenset({*self.evaluator.on_scores, *(names[i] for i in chosen)}), section.highest)

    def _factors_of(self, column: str) -> NDArray[np.int64]:
        section = self.config.prescales
        if section is None:
            raise BadValue("prescales", "the run has no prescale table", "set prescales.path and prescales.column")
        return read_prescales(Path(section.path)).factors(column, self.menu.algorithms)
