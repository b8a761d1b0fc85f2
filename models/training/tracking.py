"""Training runs in MLflow (`docs/training.md`, "Tracking"). MLflow is imported when a run begins, not before."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from models.training.checkpoints import EpochRecord
from models.training.errors import ExtraMissing
from models.training.plots import curves_figure, scores_figure
from models.training.train import Trained
from triggers.errors import BadValue

URI_VARIABLE: Final = "MLFLOW_TRACKING_URI"
EXPERIMENT: Final = "l1chain"
_REPOSITORY: Final = Path(__file__).resolve().parent.parent.parent
_LONGEST_VALUE: Final = 6000
_GIT_SECONDS: Final = 10


class TrackedRun:
    """One run: curves as they come, results at its end."""

    def __init__(self, client: Any, run_id: str, uri: str) -> None:
        self._client, self.run_id, self.uri = client, run_id, uri
        self._steps: dict[str, int] = {}

    def parameters(self, values: Mapping[str, Any]) -> None:
        """What the run was told."""
        for name, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            self._client.log_param(self.run_id, name, text[:_LONGEST_VALUE])

    def epoch(self, record: EpochRecord) -> None:
        """The terms of the loss after an epoch."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        terms = {**record.terms, "seconds": record.seconds}
        metrics = [Metric(f"{record.stage}/{name}", value, now, record.epoch) for name, value in terms.items()]
        self._client.log_batch(self.run_id, metrics=metrics)

    def results(self, trained: Trained) -> None:
        """Metrics, plots and the network."""
        agreement = trained.agreement
        numbers = {
            **{f"seconds/{step}": value for step, value in trained.seconds.items()},
            **trained.fitted.figures,
            "crossings": trained.crossings,
            "agreement/differing": agreement.differing,
            "agreement/largest": agreement.largest,
        }
        for name, value in numbers.items():
            self._client.log_metric(self.run_id, name, float(value))
        self._client.log_figure(self.run_id, curves_figure(trained.records), "curves.png")
        scores = trained.float_scores(trained.example_inputs)
        self._client.log_figure(self.run_id, scores_figure(scores), "scores.png")
        self._client.log_text(self.run_id, trained.network_document.decode(), "network.json")

    def metrics(self, values: Mapping[str, float]) -> None:
        """Numbers that were found after the training."""
        for name, value in values.items():
            self._client.log_metric(self.run_id, name, float(value))

    def exported(self, label: str, folder: Path) -> None:
        """The version that was written."""
        self._client.set_tag(self.run_id, "version", label)
        self._client.set_tag(self.run_id, "folder", str(folder))
        self._client.log_artifacts(self.run_id, str(folder), "version")


@contextmanager
def tracked_run(folder: Path, label: str) -> Iterator[TrackedRun]:
    """A run, which is marked as failed if it ends with an error.

    Args:
        folder: where the sqlite file and the artifacts are, unless `MLFLOW_TRACKING_URI` names a server or file.
        label: name of the run.

    Raises:
        ExtraMissing: MLflow is not installed.
        BadValue: the tracking store cannot be used.
    """
    uri = os.environ.get(URI_VARIABLE) or f"sqlite:///{folder.resolve() / 'mlflow.db'}"
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ModuleNotFoundError as error:
        raise ExtraMissing("tracking", error.name or "mlflow-skinny") from None
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # not that it makes its tables
    folder.mkdir(parents=True, exist_ok=True)
    try:
        client = MlflowClient(uri)
        found = client.get_experiment_by_name(EXPERIMENT)
        artifacts = None if URI_VARIABLE in os.environ else (folder.resolve() / "artifacts").as_uri()
        experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT, artifacts)
        tags = {"mlflow.source.git.commit": commit} if (commit := git_commit()) else {}
        run_id = client.create_run(experiment, run_name=label, tags=tags).info.run_id
    except (MlflowException, SQLAlchemyError, OSError) as error:
        what = f"cannot be used ({str(error).partition(chr(10))[0]})"
        raise BadValue(uri, what, f"set {URI_VARIABLE} to another store") from None
    try:
        yield TrackedRun(client, run_id, uri)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def git_commit() -> str | None:
    """The commit of the checkout that this code is in, if it is one."""
    if not (_REPOSITORY / ".git").exists():
        return None
    command = ["git", "-C", str(_REPOSITORY), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
