"""From a configuration to the parts of a run; the same in a thread and in a process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from models.backends.registry import open_backend
from models.repository import LoadedVersion, Repository, open_repository
from stream.errors import SourceEmpty
from stream.run.config import ChainConfig, ScoreSection
from stream.run.decision import decision_settings
from stream.services import expected, seeds
from stream.services.combiner import Combiner, CombinerSettings
from stream.services.producer import Producer, ProducerSettings
from stream.services.score import ScoreWorker
from stream.services.seeds import ExpectedWorker, SeedsWorker
from stream.services.service import Service
from stream.services.sinks.accepted import AcceptedSink
from stream.services.sinks.tables import RunTables
from stream.services.stage import StageService, Worker
from stream.wire.transport import Wiring
from triggers.decision.settings import DecisionSettings
from triggers.errors import UnknownName
from triggers.events.formats import SourceFormat
from triggers.events.open import open_source
from triggers.events.source import Source
from triggers.menu.evaluate import Evaluator
from triggers.menu.load import load_menu
from triggers.menu.model import Menu, WorkingPointCondition, conditions_of

ACCEPTED_FILE = "accepted.parquet"
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
    """

    stage: str
    section: ScoreSection
    version: LoadedVersion
    names: tuple[str, ...]


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
        return open_source(settings.paths, settings.format)

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
        version = self.repository.load(section.name, section.version)
        resolved = version.manifest.version
        aliases = self.repository.aliases(section.name)
        names = [f"{section.name}/{resolved}", f"{section.name}@{resolved}"]
        names += [f"{section.name}@{alias}" for alias, target in aliases.items() if target == resolved]
        return ScoreStage(f"score:{section.name}", section, version, tuple(names))

    @cached_property
    def evaluator(self) -> Evaluator:
        """The menu, ready to evaluate."""
        return Evaluator(self.menu, [name for stage in self.score_stages for name in stage.names])

    @cached_property
    def thresholds(self) -> dict[WorkingPointCondition, int]:
        """The threshold of each working point that the menu names and a configured version has."""
        found: dict[WorkingPointCondition, int] = {}
        for algorithm in self.menu.algorithms:
            for condition in conditions_of(algorithm.expression):
                if isinstance(condition, WorkingPointCondition):
                    threshold = self._threshold(condition, algorithm.name)
                    if threshold is not None:
                        found[condition] = threshold
        return found

    def _threshold(self, condition: WorkingPointCondition, algorithm: str) -> int | None:
        wanted = f"{condition.model}@{condition.alias}"
        for stage in self.score_stages:
            if wanted in stage.names:
                points = stage.version.manifest.working_points
                if condition.working_point not in points:
                    where = f"{self.menu.source}, algorithm {algorithm}"
                    kind = f"working point of {stage.version.label}"
                    raise UnknownName(where, kind, condition.working_point, points)
                return points[condition.working_point].threshold
        return None

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
        _ = (self.menu, self.source, self.evaluator, self.thresholds, self.decision)
        if next(iter(self.source.batches(1)), None) is None:
            raise SourceEmpty(self.source.info.name)
        for stage in self.score_stages:
            _ = open_backend(stage.section.backend, stage.version).needed_columns

    def service(self, name: str, wiring: Wiring, cpu_clock: Callable[[], int], folder: Path) -> Service:
        """The service of that name.

        Args:
            name: one of `service_names`.
            wiring: where the run's sockets are.
            cpu_clock: CPU time of whatever the service runs in, ns.
            folder: the run's folder.
        """
        if name == PRODUCER:
            return Producer(wiring, cpu_clock, self.source, self._producer_settings())
        if name == COMBINER:
            return self._combiner(wiring, cpu_clock, folder)
        stage, _, replica = name.rpartition(".")
        return StageService(stage, int(replica), wiring, cpu_clock, lambda: self._worker(stage))

    def _worker(self, stage: str) -> Worker:
        if stage == seeds.STAGE:
            return SeedsWorker(self.evaluator)
        if stage == expected.STAGE:
            return ExpectedWorker()
        chosen = next(s for s in self.score_stages if s.stage == stage)
        manifest = chosen.version.manifest
        backend = open_backend(chosen.section.backend, chosen.version)
        return ScoreWorker(backend, manifest.name, manifest.version)

    def _producer_settings(self) -> ProducerSettings:
        config = self.config
        repeat = config.source.repeat
        return ProducerSettings(
            crossings_per_lumi_section=config.run.crossings_per_lumi_section,
            lumi_sections=config.run.lumi_sections,
            repeat=None if repeat == "forever" else repeat,
            batch_crossings=config.batch.crossings,
            window=config.batch.window,
            replicas=self.replicas,
            neighbours="bx" in self.evaluator.needed_columns,
            prepare=config.source.prepare,
        )

    def _combiner(self, wiring: Wiring, cpu_clock: Callable[[], int], folder: Path) -> Combiner:
        settings = CombinerSettings(
            self.decision,
            {stage.stage: stage.names for stage in self.score_stages},
            self.thresholds,
            self.compares_expected,
        )
        columns = self.source.info.optional_columns
        sink = AcceptedSink(folder / ACCEPTED_FILE, columns, tuple(settings.score_names))
        tables = RunTables(folder, self.menu, self.decision, self.evaluator.not_evaluated)
        return Combiner(wiring, cpu_clock, self.evaluator, settings, sink, tables)
