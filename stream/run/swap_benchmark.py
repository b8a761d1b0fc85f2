"""`l1chain bench swap`: versions change places while crossings flow; what that costs, and whether all is in order.

Every lumi section's scores, added up by the run, are compared with those of the version that it is recorded with,
computed apart from the run, so a crossing that another version scored is found whichever it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.backends.registry import open_backend
from models.manifest import Manifest, WorkingPoint
from models.repository import LoadedVersion, Repository
from models.repository_changes import add_version, set_alias
from stream.run.assembly import Assembly
from stream.run.config import ChainConfig, ModelsSection
from stream.run.control_client import Client
from stream.run.record import RECORD_FILE
from stream.run.supervisor import Supervisor
from stream.run.swap_timing import Trace, Window, read_trace, timing
from stream.run.versions import run_version
from stream.services.sinks.files import ACCEPTED_FILE
from triggers.errors import BadValue
from triggers.events.crossings import column_view
from triggers.events.source import Source
from triggers.menu.load import load_menu
from triggers.menu.model import WorkingPointCondition, conditions_of

PRODUCTION: Final = "production"
_WARM_LUMI_SECTIONS: Final = 4
_QUIET_LUMI_SECTIONS: Final = 3
_BEFORE_LUMI_SECTIONS: Final = 16
_POLL_S: Final = 0.02
_PATIENCE_S: Final = 300.0
_LOWEST_PART: Final = 1e-3
"""Part of the crossings that the first working point selects which a version is given; each further one half of it."""
_BATCH_ROWS: Final = 1 << 14

Scores = NDArray[np.int64]


@dataclass(frozen=True)
class Contestants:
    """Two versions of one model, in a repository of their own, with every working point that the menu names.

    Attributes:
        repository: with both, `a` in production.
        model: its name.
        versions: names of a and b.
        scores: of the source's crossings, by version, `(n,)` each.
    """

    repository: Path
    model: str
    versions: tuple[str, str]
    scores: dict[str, Scores] = field(repr=False)


def contestants(
    folder: Path, first: LoadedVersion, second: LoadedVersion, backend: str, menu: str, source: Source
) -> Contestants:
    """Copy two versions, and give them the working points that they lack, at thresholds for rates on the source.

    Raises:
        BadValue: they are of two models, or one and the same.
        ModelError: the backend cannot run one.
    """
    if first.manifest.name != second.manifest.name or first.label == second.label:
        what = f"{first.label} and {second.label} are not two versions of one model"
        raise BadValue("bench swap", what, "name two with --a and --b")
    repository = Repository(folder, must_exist=False)
    model, scores = first.manifest.name, {}
    points = _named_points(menu, model)
    for version in (first, second):
        scores[version.manifest.version] = found = _scores(version, backend, source)
        add_version(repository, _with_points(version.manifest, points, found, source.info.name), version.files)
    set_alias(repository, model, PRODUCTION, first.manifest.version)
    return Contestants(folder, model, (first.manifest.version, second.manifest.version), scores)


def measure_swaps(config: ChainConfig, both: Contestants, swaps: int) -> dict[str, Any]:
    """Run a chain at full speed, and let versions change places.

    Args:
        config: with short lumi sections, a source that goes round, and one score stage.
        both: the versions.
        swaps: how many.

    Returns:
        `swaps` that took place; crossings `lost`, `doubled`, `mixed`; `throughput_ratio`, `pause_ratio` and what they
        are made of (`swap_timing.timing`).

    Raises:
        L1ChainError: the run fails, or refuses a swap.
    """
    config = config.model_copy(update={"models": ModelsSection(repository=both.repository)})
    run = _Run(config)
    try:
        run.wait_for_lumi_sections(_WARM_LUMI_SECTIONS)
        begun_ns = time.monotonic_ns()
        run.wait_for_lumi_sections(_BEFORE_LUMI_SECTIONS)
        windows = [run.swap(both.model, both.versions[(k + 1) % 2]) for k in range(swaps)]
    finally:
        record = run.stop()
    folder = Path(record["run_dir"])
    trace = read_trace(folder)
    per_lumi_section = config.run.crossings_per_lumi_section
    distinct = trace.distinct(per_lumi_section)
    in_effect = sum(_is_in_effect(record, both, k, window) for k, window in enumerate(windows))
    return {
        "transport": str(config.transport),
        "replicas": config.scores[0].replicas,
        "swaps": in_effect,
        "lost": max(record["produced"] - distinct, 0),
        "doubled": max(record["decided"] - distinct, 0),
        "mixed": mixed_crossings(record, trace, both, folder / ACCEPTED_FILE, per_lumi_section),
        "crossings": record["decided"],
        "crossings_per_s": record["crossings_per_s"],
        "restarts": sum(record["restarts"].values()),
        **timing(trace, windows, begun_ns),
    }


def mixed_crossings(
    record: dict[str, Any], trace: Trace, both: Contestants, accepted: Path, per_lumi_section: int
) -> int:
    """Crossings that have not, or not only, the scores of the version that their lumi section is recorded with.

    Args:
        record: the run record.
        trace: its batches.
        both: the versions and their scores.
        accepted: file of the accepted crossings.
        per_lumi_section: crossings in a full lumi section.
    """
    sums = {version: np.concatenate([[0], np.cumsum(scores)]) for version, scores in both.scores.items()}
    recorded = {row["lumi_section"]: row["model_versions"].get(both.model) for row in record["lumi_sections"]}
    wrong = trace.of_other_versions({number: f"{both.model}/{version}" for number, version in recorded.items()})
    for row in record["lumi_sections"]:
        number, decided = row["lumi_section"], row["decided"]
        begin = (number - 1) * per_lumi_section
        expected = _sum_between(sums[recorded[number]], begin, begin + decided) if decided else 0
        if row["score_sums"].get(both.model, 0) != expected:
            wrong[number] = decided
    table = pq.read_table(
        accepted, columns=["run_lumi_section", "crossing", f"score_{both.model}", f"version_{both.model}"]
    )
    sections, crossing = table["run_lumi_section"].to_numpy().astype(np.int64), table["crossing"].to_numpy()
    places = ((sections - 1) * per_lumi_section + crossing.astype(np.int64)) % len(next(iter(both.scores.values())))
    for number, place, score, version in zip(
        sections.tolist(), places.tolist(), table.column(2).to_pylist(), table.column(3).to_pylist(), strict=True
    ):
        if version != recorded[number] or both.scores[version][place] != score:
            wrong.setdefault(number, 1)
    return sum(wrong.values())


def _sum_between(cumulative: Scores, begin: int, end: int) -> int:
    """The sum of a sequence that goes round, between two places."""
    n = len(cumulative) - 1

    def up_to(place: int) -> int:
        rounds, rest = divmod(place, n)
        return rounds * int(cumulative[-1]) + int(cumulative[rest])

    return up_to(end) - up_to(begin)


def _is_in_effect(record: dict[str, Any], both: Contestants, k: int, window: Window) -> bool:
    """Whether a lumi section before a swap has the old version, and its own the new one."""
    recorded = {row["lumi_section"]: row["model_versions"].get(both.model) for row in record["lumi_sections"]}
    number = window.lumi_section
    return (recorded.get(number - 1), recorded.get(number)) == (both.versions[k % 2], both.versions[(k + 1) % 2])


class _Run:
    """A run in threads of this process, or in processes of its own, that a client tells what to do."""

    def __init__(self, config: ChainConfig) -> None:
        self._out = config.run.out
        self._supervisor = Supervisor(Assembly(config))
        self._record: dict[str, Any] = {}
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._conduct, name="bench swap", daemon=True)
        self._thread.start()
        self._found: Client | None = None

    def swap(self, model: str, version: str) -> Window:
        """Let a version decide from the next lumi section on; back when it has, and some more have been decided."""
        begun_ns = time.monotonic_ns()
        told = self._client.ask("swap", {"name": model, "version": version}, patience_s=_PATIENCE_S)
        agreed_ns = time.monotonic_ns()
        lumi_section = int(told["lumi_section"])
        self._wait(lambda status: status["lumi_section"] > lumi_section + _QUIET_LUMI_SECTIONS)
        return Window(begun_ns, agreed_ns, lumi_section)

    def wait_for_lumi_sections(self, number: int) -> None:
        """Wait until so many more have begun."""
        begun = self._wait(lambda status: status["decided"] > 0)["lumi_section"]
        self._wait(lambda status: status["lumi_section"] >= begun + number)

    def stop(self) -> dict[str, Any]:
        """The record of the run, when it has ended.

        Raises:
            L1ChainError: it failed.
        """
        if self._thread.is_alive():
            self._client.ask("stop")
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._record

    def _conduct(self) -> None:
        try:
            self._record = self._supervisor.run()
        except Exception as error:  # noqa: BLE001 — raised again in the thread that measures
            self._failure = error

    @property
    def _client(self) -> Client:
        deadline = time.monotonic() + _PATIENCE_S
        while self._found is None:
            folder = next((path.parent for path in self._out.glob(f"*/{RECORD_FILE}")), None)
            if folder is not None and Client.is_there(folder):
                self._found = Client(folder)
            elif time.monotonic() > deadline or not self._thread.is_alive():
                raise self._failure or BadValue("bench swap", "the run does not start", "try `l1chain run` first")
            else:
                time.sleep(_POLL_S)
        return self._found

    def _wait(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and self._thread.is_alive():
            status: dict[str, Any] = self._client.ask("status", patience_s=_PATIENCE_S)
            if condition(status):
                return status
            time.sleep(_POLL_S)
        raise self._failure or BadValue("bench swap", "the run does not get on", "try it on a machine with less load")


def _named_points(menu: str, model: str) -> list[str]:
    found = {
        condition.working_point: None
        for algorithm in load_menu(menu).algorithms
        for condition in conditions_of(algorithm.expression)
        if isinstance(condition, WorkingPointCondition) and condition.model == model
    }
    return list(found)


def _with_points(manifest: Manifest, names: list[str], scores: Scores, sample: str) -> Manifest:
    points = dict(manifest.working_points)
    for k, name in enumerate(names):
        threshold = int(np.quantile(scores, 1 - _LOWEST_PART / 2**k))
        rate_hz = float((scores >= threshold).mean())
        points.setdefault(name, WorkingPoint(threshold=threshold, rate_hz=rate_hz, calibrated_on=sample))
    return manifest.model_copy(update={"working_points": points})


def _scores(version: LoadedVersion, backend: str, source: Source) -> Scores:
    engine = open_backend(run_version(version, backend).backend, version)
    found = [
        engine.score({name: column_view(batch.column(name)) for name in engine.needed_columns})
        for batch in source.batches(_BATCH_ROWS)
    ]
    return np.concatenate(found).astype(np.int64)
