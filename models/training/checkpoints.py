"""Checkpoints of training, written as a whole or not at all (`docs/training.md`, "Resuming")."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.training.errors import CheckpointMismatch
from triggers.errors import FileUnreadable


@dataclass(frozen=True)
class EpochRecord:
    """What an epoch gave.

    Attributes:
        stage: of the recipe, such as `embedding`.
        epoch: from 1.
        epochs: of the stage.
        terms: means over the epoch, `loss` first, which is their weighted sum.
        seconds: that it took.
    """

    stage: str
    epoch: int
    epochs: int
    terms: dict[str, float]
    seconds: float


Progress = Callable[[EpochRecord], None]


def silent(_record: EpochRecord) -> None:
    """Tells nobody of an epoch."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a stage after some epochs.

    Attributes:
        variables: of the stage and its optimizer.
        records: of the epochs so far.
    """

    variables: tuple[NDArray[np.generic], ...]
    records: tuple[EpochRecord, ...]


@dataclass(frozen=True)
class Checkpoints:
    """A folder of checkpoints, one file a stage.

    Attributes:
        folder: made when the first one is saved; None: nothing is kept.
        identity: of recipe, settings and crossings; checkpoints of others are refused.
        resume: use what is there.
    """

    folder: Path | None
    identity: str
    resume: bool = False

    def load(self, stage: str) -> Checkpoint | None:
        """The checkpoint of a stage, if there is one to resume from.

        Raises:
            CheckpointMismatch: it is of another recipe, other settings or other crossings.
            FileUnreadable: it is damaged.
        """
        path = self._path(stage)
        if path is None or not self.resume or not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            identity = str(arrays.pop("identity"))
            records = tuple(EpochRecord(**record) for record in json.loads(str(arrays.pop("records"))))
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise FileUnreadable(path, f"no checkpoint ({error})", "train without --resume") from None
        if identity != self.identity:
            raise CheckpointMismatch(path)
        return Checkpoint(tuple(arrays[f"v{i}"] for i in range(len(arrays))), records)

    def save(self, stage: str, variables: Sequence[NDArray[np.generic]], records: Sequence[EpochRecord]) -> None:
        """Replace the checkpoint of a stage in one step."""
        path = self._path(stage)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        texts = {"identity": self.identity, "records": json.dumps([asdict(record) for record in records])}
        arrays: dict[str, Any] = {name: np.array(text) for name, text in texts.items()}
        arrays |= {f"v{i}": value for i, value in enumerate(variables)}
        np.savez(buffer, **arrays)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(buffer.getvalue())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def _path(self, stage: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{stage}.npz"
