"""The training loop: resumes as if it had not been interrupted, stops when the loss is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the [train] extra")

from models import zoo
from models.errors import InputsInvalid
from models.training.checkpoints import Checkpoints, EpochRecord
from models.training.errors import CheckpointMismatch, TrainingDiverged
from models.training.settings import TrainingSettings
from models.training.train import Trained, train_on
from tests.models.training_data import random_data
from triggers.errors import FileUnreadable

pytestmark = pytest.mark.train

RECIPE = zoo.recipe("axol1tl_v5", {"projector": [16], "embedding_epochs": 2, "autoencoder_epochs": 2})
SETTINGS = TrainingSettings(batch_rows=512)
DATA = random_data(RECIPE.layout)


class Interrupted(Exception):
    pass


def interrupted_after(folder: Path, stage: str, epoch: int) -> None:
    def progress(record: EpochRecord) -> None:
        if (record.stage, record.epoch) == (stage, epoch):
            raise Interrupted

    with pytest.raises(Interrupted):
        train_on(RECIPE, DATA, SETTINGS, progress, Checkpoints(folder, ""))


def resumed(folder: Path, settings: TrainingSettings = SETTINGS) -> tuple[Trained, list[tuple[str, int]]]:
    seen: list[tuple[str, int]] = []
    made = train_on(
        RECIPE, DATA, settings, lambda r: seen.append((r.stage, r.epoch)), Checkpoints(folder, "", resume=True)
    )
    return made, seen


def test_a_resumed_training_gives_the_network_of_one_that_was_not_interrupted(tmp_path: Path) -> None:
    whole = train_on(RECIPE, DATA, SETTINGS)
    interrupted_after(tmp_path, "embedding", 1)
    interrupted_after(tmp_path / "later", "autoencoder", 1)
    made, seen = resumed(tmp_path)
    assert made.network_document == whole.network_document
    assert seen == [("embedding", 2), ("autoencoder", 1), ("autoencoder", 2)]
    made, seen = resumed(tmp_path / "later")
    assert made.network_document == whole.network_document
    assert seen == [("autoencoder", 2)]
    assert [(r.stage, r.epoch) for r in made.records] == [(r.stage, r.epoch) for r in whole.records]


def test_checkpoints_of_another_training_or_damaged_ones_are_refused(tmp_path: Path) -> None:
    interrupted_after(tmp_path, "embedding", 1)
    with pytest.raises(CheckpointMismatch, match="embedding.npz: belongs to another recipe, other settings or other"):
        resumed(tmp_path, SETTINGS.model_copy(update={"seed": 2}))
    (tmp_path / "embedding.npz").write_bytes(b"PK half of a file")
    with pytest.raises(FileUnreadable, match="train without --resume"):
        resumed(tmp_path)


def test_a_loss_that_is_no_number_stops_the_training() -> None:
    recipe = zoo.recipe("gelato_l1", {"latent_width": 1e-38})
    with pytest.raises(TrainingDiverged, match="training, autoencoder, epoch 1: the loss is no finite number"):
        train_on(recipe, random_data(recipe.layout), SETTINGS)


def test_nan_is_refused() -> None:
    recipe = zoo.recipe("gelato_l1")
    made = train_on(recipe, random_data(recipe.layout), SETTINGS.model_copy(update={"epochs": 1}))
    with pytest.raises(InputsInvalid, match="found NaN, expected numbers"):
        made.float_scores(np.full((1, 44), np.nan))
