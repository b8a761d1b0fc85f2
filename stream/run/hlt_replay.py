"""The stage after the L1 accept once more, offline, over the accepted crossings of a run (`docs/hlt.md`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.repository import Repository
from stream.run.config import ChainConfig, HltSection, RunSection
from stream.run.finished import FinishedRun
from stream.run.hlt import HltStage
from stream.services.hlt import HLT_NAMES, Hlt, HltSettings
from stream.services.sinks.files import ACCEPTED_FILE
from triggers.errors import BadValue, FileUnreadable
from triggers.strict_yaml import validated

_ROWS: Final = 1 << 14


@dataclass(frozen=True)
class HltReplay:
    """Decisions that were made again.

    Attributes:
        label: NAME/VERSION that scored.
        settings: threshold and budget.
        counts: of all accepted crossings, with the rate of those that are kept.
        differing: crossings whose score or decision is another one than the run's; None: it had no such stage.
    """

    label: str
    settings: HltSettings
    counts: dict[str, Any]
    differing: int | None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        stage = {"model": self.label, "threshold": self.settings.threshold, "rate_hz": self.settings.rate_hz}
        return {**stage, "burst": self.settings.burst, **self.counts, "differing": self.differing}


@dataclass(frozen=True)
class HltChoice:
    """How to decide; what is None is as the run had it, or as a configuration has it by default.

    Attributes:
        model: NAME/VERSION.
        threshold: the least score that passes.
        rate_hz: of the budget.
        burst: of the budget.
        find: find the threshold for the rate, instead of `threshold`.
    """

    model: str | None = None
    threshold: int | None = None
    rate_hz: float | None = None
    burst: float | None = None
    find: bool = False

    def section(self, record: dict[str, Any]) -> HltSection:
        """As a section of a configuration; the threshold is 0 where it is to be found.

        Raises:
            BadValue, UnknownName: something is missing or not allowed.
        """
        stage = record.get("hlt_stage") or {}
        known = {key: stage[key] for key in ("name", "version", "backend", "threshold", "rate_hz", "burst") if stage}
        if self.model is not None:
            known["name"], _, known["version"] = self.model.partition("/")
            known["version"] = known["version"] or HltSection.model_fields["version"].default
        given = {"threshold": 0 if self.find else self.threshold, "rate_hz": self.rate_hz, "burst": self.burst}
        known |= {key: value for key, value in given.items() if value is not None}
        if "threshold" not in known:
            raise BadValue("runs hlt", "no threshold", "give --threshold N, or --find-threshold")
        return validated(known, "runs hlt", HltSection)


def replay_hlt(run: FinishedRun, choice: HltChoice, repository: Repository) -> HltReplay:
    """Score and decide the accepted crossings of a run again, by the code of the chain.

    Args:
        run: that has ended.
        choice: model, threshold and budget.
        repository: where the version is.

    Raises:
        L1ChainError: the version cannot be loaded, the run is too short for a threshold, or `accepted.parquet` is
            missing, damaged or lacks what the version reads.
    """
    section = choice.section(run.record)
    if choice.find:
        section = section.model_copy(update={"threshold": _threshold_for(run, section, repository)})
    hlt, differing = _service(run, section, repository), None
    for batch in _accepted(run, hlt):
        (again,) = hlt.decide([batch.drop_columns([name for name in HLT_NAMES if name in batch.schema.names])])
        if HLT_NAMES[0] in batch.schema.names:
            differing = (differing or 0) + int(np.count_nonzero(_differs(batch, again)))
    return HltReplay(hlt.scorer.label, hlt.settings, hlt.summary(_decided(run)), differing)


def _threshold_for(run: FinishedRun, section: HltSection, repository: Repository) -> int:
    """The least threshold that the accepted crossings of a run reach at no more than `section.rate_hz`."""
    hlt = _service(run, section, repository)
    seconds = hlt.settings.seconds(_decided(run))
    most = int(section.rate_hz * seconds)
    if most < 1:
        what = f"{seconds:.3g} simulated seconds hold no crossing at {section.rate_hz:g} Hz"
        raise BadValue(str(run.folder), what, "give a longer run, or a higher rate")
    scores = [hlt.scores([batch]) for batch in _accepted(run, hlt)]
    highest = np.sort(np.concatenate([np.empty(0, np.int32), *scores]))[::-1]
    return 0 if len(highest) <= most else int(highest[most]) + 1


def _service(run: FinishedRun, section: HltSection, repository: Repository) -> Hlt:
    of_run: RunSection = ChainConfig.model_validate(run.record["config"]).run
    return HltStage(section, repository).service(of_run)


def _decided(run: FinishedRun) -> int:
    return int(run.record["decided"])


def _accepted(run: FinishedRun, hlt: Hlt) -> Iterator[pa.RecordBatch]:
    path = run.folder / ACCEPTED_FILE
    try:
        with pq.ParquetFile(path) as file:
            lacking = sorted(set(hlt.scorer.columns) - set(file.schema_arrow.names))
            if lacking:
                raise FileUnreadable(path, f"lacks {', '.join(lacking)}, which {hlt.scorer.label} reads")
            yield from file.iter_batches(_ROWS)
    except (OSError, pa.ArrowException) as error:
        raise FileUnreadable(path, f"cannot be read ({error})", "name the folder of a run") from error


def _differs(before: pa.RecordBatch, again: pa.RecordBatch) -> NDArray[np.bool_]:
    pairs = [(before.column(name), again.column(name)) for name in HLT_NAMES]
    unequal = [np.asarray(old) != np.asarray(new) for old, new in pairs]
    differs: NDArray[np.bool_] = np.logical_or.reduce(unequal)
    return differs
