"""From crossings to a version in a repository: train, track, export, compare backends (`docs/training.md`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.backends import backend_names, quick_backend_names
from models.importing import SEED, ImportedVersion, NewVersion, Reference, network_files, write_version
from models.manifest import Training
from models.reference import reference_inputs, reference_scores
from models.repository_changes import check_free
from models.training.checkpoints import EpochRecord, Progress, silent
from models.training.recipe import Recipe
from models.training.settings import TrainingSettings
from models.training.tracking import git_commit, tracked_run
from models.training.train import DataSource, Trained, train

WORK_FOLDER: Final = ".training"
"""In a repository: checkpoints and the tracking store."""
REFERENCE_CROSSINGS: Final = 500
LIBRARIES: Final = ("keras", "tensorflow", "numpy", "scikit-learn")


@dataclass(frozen=True)
class TrainedVersion:
    """A version that was trained.

    Attributes:
        trained: the training.
        version: as it was written.
        tracking_uri: where the run is tracked.
        run_id: under which name.
    """

    trained: Trained
    version: ImportedVersion
    tracking_uri: str
    run_id: str


@dataclass(frozen=True)
class TrainingOrder:
    """What is to be trained.

    Attributes:
        system: name in the zoo.
        recipe: of that system.
        settings: of the training.
        new: the version to write.
        resume: go on from the checkpoints of an interrupted training.
        all_backends: compare those too that take seconds to open, such as `hls4ml`, which compiles.
    """

    system: str
    recipe: Recipe
    settings: TrainingSettings
    new: NewVersion
    resume: bool = False
    all_backends: bool = False


def train_version(order: TrainingOrder, data: DataSource, progress: Progress = silent) -> TrainedVersion:
    """Train a system on zero bias and write it as a version; the run is tracked.

    Args:
        order: what to train, how and where.
        data: a source of crossings, or paths of event files.
        progress: called after every epoch.

    Raises:
        VersionExists, BadValue: the version cannot be written; found out before anything is trained.
        TrainingDataUnfit, TrainingDiverged, CheckpointMismatch: as `models.training.train.train`.
    """
    new, work = order.new, order.new.repository.folder / WORK_FOLDER
    check_free(new.repository, new.name, new.version)
    label = f"{new.name}/{new.version}"
    with tracked_run(work, label) as run:
        run.parameters({"system": order.system, **_flat(order.recipe, order.settings)})
        checkpoints = work / f"{new.name}-{new.version}"
        trained = train(
            order.recipe,
            data,
            order.settings,
            _both(run.epoch, progress),
            checkpoints=checkpoints,
            resume=order.resume,
        )
        run.parameters({"data": trained.sample, "data_sha256": trained.digest})
        run.results(trained)
        made = export(trained, order)
        run.exported(label, made.folder)
        _remove(checkpoints)
        return TrainedVersion(trained, made, run.uri, run.run_id)


def export(trained: Trained, order: TrainingOrder) -> ImportedVersion:
    """Write what was trained as a version, and compare the backends on random inputs and crossings.

    Raises:
        VersionExists, BadValue, RepositoryReadOnly: it cannot be written, or no backend gives the scores.
    """
    network, new = trained.network, order.new
    inputs = np.concatenate([reference_inputs(network, SEED), trained.example_inputs[:REFERENCE_CROSSINGS]])
    stated = new.stated(
        f"{trained.recipe.summary}, trained on {trained.crossings:,} crossings of {trained.sample}",
        network.score_type.code_range[1],
        training=training_record(trained, order.system),
    )
    backends = backend_names() if order.all_backends else quick_backend_names()
    reference = Reference(inputs, reference_scores(network, inputs))
    return write_version(new, stated, network_files(network), reference, backends)


def training_record(trained: Trained, system: str) -> Training:
    """What the manifest says of the training: enough to do it again."""
    settings = _flat(trained.recipe, trained.settings) | {"crossings": trained.crossings, "data_sha256": trained.digest}
    commit = git_commit()
    return Training(
        script=f"l1chain models train {system}",
        sample=trained.sample,
        settings={key: value for key, value in settings.items() if key != "seed"}
        | ({"git_commit": commit} if commit else {}),
        seed=trained.settings.seed,
        libraries={name: installed_version(name) for name in LIBRARIES},
    )


def _flat(recipe: Recipe, settings: TrainingSettings) -> dict[str, int | float | str]:
    """All that can be set, as numbers and texts."""
    values: dict[str, Any] = recipe.model_dump(mode="json") | settings.model_dump(mode="json", exclude_none=True)
    return {key: value if type(value) in (int, float, str) else json.dumps(value) for key, value in values.items()}


def _both(first: Progress, second: Progress) -> Progress:
    def call(record: EpochRecord) -> None:
        first(record)
        second(record)

    return call


def _remove(folder: Path) -> None:
    """Remove the checkpoints of a training that is done."""
    files: Sequence[Path] = list(folder.glob("*")) if folder.exists() else []
    for file in files:
        file.unlink()
    if folder.exists():
        folder.rmdir()
