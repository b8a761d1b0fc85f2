"""From crossings to a candidate beside production, step by step, with gates (`docs/evaluation.md`, "Retraining")."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.distribution import ScoreDistribution
from models.evaluation import evaluate
from models.evaluation_calibration import calibrated_points, check_reachable, weighted_distribution
from models.evaluation_result import Evaluation, Options, RateKind
from models.evaluation_scorers import Arithmetic, LeftOut, Scorer, scorers
from models.manifest import WorkingPoint
from models.repository import LoadedVersion, Repository
from models.repository_changes import add_version, check_free, set_alias
from models.retraining_gates import GateResult, Gates, backends_gate, evaluation_gates, numbers_gate
from triggers.events.source import Source

if TYPE_CHECKING:
    from models.training.checkpoints import EpochRecord
    from models.training.train import Trained
    from models.training.versions import TrainingOrder

CANDIDATE: Final = "candidate"
PRODUCTION: Final = "production"
STAGING: Final = "staging"
"""In the output folder: a repository with the version before the gates."""
WORKING_POINTS: Final = {5000.0: "vloose", 1000.0: "loose", 500.0: "nominal", 250.0: "tight", 100.0: "vtight"}
"""Names of working points by total rate in Hz, the same for every version, so that a swap finds them."""


@dataclass
class Steps:
    """The time of each step.

    Attributes:
        seconds: by step, in order.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """What happens inside is one step."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True, eq=False)
class Samples:
    """What a network is retrained on and compared with.

    Attributes:
        data: zero bias to train on.
        background: zero bias that rates are of.
        signals: by name.
    """

    data: Source
    background: Source
    signals: Mapping[str, Source]


@dataclass(frozen=True, eq=False)
class Retrained:
    """The outcome.

    Attributes:
        label: NAME/VERSION.
        production: what it was compared with, if there is one.
        folder: of the version; in the repository if it passed, else in the staging folder.
        gates: all of them, in order.
        steps: the time of each step, in seconds.
        crossings: that it was trained on.
        working_points: thresholds by name.
        evaluation: candidate and production side by side.
        run_id: of the tracked run.
        tracking_uri: where it is.
    """

    label: str
    production: str | None
    folder: Path
    gates: tuple[GateResult, ...]
    steps: Steps
    crossings: int
    working_points: Mapping[str, WorkingPoint]
    evaluation: Evaluation
    run_id: str
    tracking_uri: str

    @property
    def failures(self) -> tuple[GateResult, ...]:
        """The gates that stopped it."""
        return tuple(gate for gate in self.gates if gate.passed is False)


def retrain(
    order: TrainingOrder,
    samples: Samples,
    options: Options,
    gates: Gates,
    out: Path,
    progress: Callable[[EpochRecord], None] = lambda _record: None,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Retrained:
    """Train, export, compare all backends, evaluate against production, and register as `candidate` what passes.

    Args:
        order: what to train, and the version to make in which repository.
        samples: what with.
        options: how rates are made.
        gates: limits; a version that breaks one stays in the staging folder.
        out: folder for the staging repository.
        progress: called after every epoch.
        on_step: called with the name of each step as it begins.

    Raises:
        VersionExists, BadValue: the version cannot be written; found out before anything is trained.
        TrainingDataUnfit, TrainingDiverged: the crossings are unfit, or a loss is no number any more.
        SampleUnfit, RateUnreachable: background or signals say nothing about the score.
    """
    from models.training.tracking import tracked_run
    from models.training.train import train
    from models.training.versions import WORK_FOLDER, export

    new, steps = order.new, Steps()
    check_free(new.repository, new.name, new.version)
    staging = Repository(out / STAGING, must_exist=False)
    in_staging = replace(order, new=replace(new, repository=staging), all_backends=True)
    label = f"{new.name}/{new.version}"
    with tracked_run(new.repository.folder / WORK_FOLDER, label) as run:
        on_step("read and train")
        trained = train(order.recipe, samples.data, order.settings, _both(run.epoch, progress))
        steps.seconds |= {"read": trained.seconds["read"], "train": trained.seconds["train"]}
        run.parameters({"system": order.system, "data": trained.sample, "data_sha256": trained.digest})
        on_step("export and compare backends")
        with steps.step("export and compare backends"):
            made = export(trained, in_staging)
            run.results(trained)
        loaded = staging.load(new.name, new.version)
        on_step("evaluate")
        with steps.step("evaluate"):
            production = _production(new.repository, new.name)
            columns = _columns(loaded, production)
            all_rates = tuple(sorted({*options.targets_hz, *WORKING_POINTS, gates.rate_hz}))
            evaluation = evaluate(columns, samples.background, samples.signals, replace(options, targets_hz=all_rates))
            points = _working_points(evaluation, columns[0])
        run.metrics(_figures(evaluation, columns[0]))
        results = [
            numbers_gate(*_numbers(trained)),
            backends_gate(gates, made.outcomes),
            *evaluation_gates(gates, evaluation, columns[0].name, _beside(columns)),
        ]
        folder = made.folder
        if not any(gate.passed is False for gate in results):
            on_step("register")
            with steps.step("register"):
                folder = _register(new.repository, loaded, points, weighted_distribution(evaluation.background, label))
            run.exported(label, folder)
    return Retrained(
        label,
        None if production is None else production.label,
        folder,
        tuple(results),
        steps,
        trained.crossings,
        points,
        evaluation,
        run.run_id,
        run.uri,
    )


def _production(repository: Repository, name: str) -> LoadedVersion | None:
    """The version in production, if there is one."""
    if name not in repository.names() or PRODUCTION not in repository.aliases(name):
        return None
    return repository.load(name, PRODUCTION)


def _columns(candidate: LoadedVersion, production: LoadedVersion | None) -> list[Scorer]:
    """The candidate first, then production."""
    wanted = [version for version in (candidate, production) if version is not None]
    found: list[Scorer | LeftOut] = [column for version in wanted for column in scorers(version, [Arithmetic.FIXED])]
    return [column for column in found if isinstance(column, Scorer)]


def _beside(columns: list[Scorer]) -> str | None:
    """The column of production."""
    return columns[1].name if len(columns) > 1 else None


def _working_points(evaluation: Evaluation, column: Scorer) -> dict[str, WorkingPoint]:
    wanted = [p for p in evaluation.rates if p.scorer == column.name and p.target_hz in WORKING_POINTS]
    points = calibrated_points(WORKING_POINTS, wanted, RateKind.TOTAL, evaluation.background, evaluation.options)
    if column.largest is not None:
        check_reachable(column.label, points, WORKING_POINTS, column.largest)
    return points


def _figures(evaluation: Evaluation, column: Scorer) -> dict[str, float]:
    """What the tracked run keeps of the evaluation: efficiencies at total rates."""
    return {
        f"efficiency/{row.signal}/{row.target_hz:.0f} Hz": row.efficiency
        for row in evaluation.efficiencies
        if row.scorer == column.name and row.kind is RateKind.TOTAL
    }


def _numbers(trained: Trained) -> tuple[dict[str, float], bool]:
    losses = {f"{record.stage}/{name}": value for record in trained.records for name, value in record.terms.items()}
    return losses, bool(np.isfinite(trained.float_scores(trained.example_inputs)).all())


def _register(
    repository: Repository,
    staged: LoadedVersion,
    points: Mapping[str, WorkingPoint],
    distribution: ScoreDistribution,
) -> Path:
    """Write the version with its working points and score distribution, and let `candidate` mean it."""
    changes = {"working_points": dict(points), "histogram": distribution}
    manifest = staged.manifest.model_copy(update=changes)
    folder = add_version(repository, manifest, staged.files)
    set_alias(repository, manifest.name, CANDIDATE, manifest.version)
    return folder


def _both(first: Callable[[Any], None], second: Callable[[Any], None]) -> Callable[[Any], None]:
    def call(record: Any) -> None:
        first(record)
        second(record)

    return call
