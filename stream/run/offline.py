"""A menu over a source without a run: the scores it names, its bits block by block (`docs/menu-commands.md`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.backends import Backend, open_backend
from models.errors import VersionMissing
from models.repository import LoadedVersion, Repository
from stream.services.batches import Block, cut
from triggers.errors import BadValue, UnknownName
from triggers.events.crossings import column_view
from triggers.events.packing import MUON
from triggers.events.schema import MAX_BX_OFFSET
from triggers.events.source import Source
from triggers.menu.conditions.score import AXOL1TL, score_condition
from triggers.menu.evaluate import Evaluator, SparseBits
from triggers.menu.model import Menu, WorkingPointCondition, conditions_of

BLOCK_CROSSINGS: Final = 16_384


class MuonPhi(StrEnum):
    """Which azimuth of a muon the inputs of AXOL1TL take."""

    VERTEX = "vertex"
    """Extrapolated to the vertex: the firmware."""
    RAW = "raw"
    """At the muon station: the CMS emulator of the 2024 v4 network."""


class OfflineScores:
    """The networks that a menu's conditions name, as far as a repository has them.

    Attributes:
        versions: the version, NAME/VERSION, behind each score name that can be supplied.
        digests: the digest of each of these versions.
        thresholds: the threshold of each working point that the menu names and a version has.
    """

    def __init__(self, menu: Menu, repository: Repository, muon_phi: MuonPhi = MuonPhi.VERTEX) -> None:
        """Loads the versions.

        Raises:
            UnknownName: a version that is there has no such working point.
            ModelError: a version is there, but damaged, or no backend runs it.
        """
        self.versions: dict[str, str] = {}
        self.digests: dict[str, str] = {}
        self.thresholds: dict[WorkingPointCondition, int] = {}
        self._backends: dict[str, Backend] = {}
        self._muon_phi = muon_phi
        for algorithm in menu.algorithms:
            for condition in conditions_of(algorithm.expression):
                wanted = score_condition(condition)
                version = None if wanted is None else _load(repository, wanted.score)
                if wanted is None or version is None:
                    continue
                if version.label not in self._backends:
                    self._backends[version.label] = exact_backend(version)
                self.versions[wanted.score] = version.label
                self.digests[version.label] = version.digest
                if isinstance(condition, WorkingPointCondition):
                    where = f"{menu.source}, algorithm {algorithm.name}"
                    self.thresholds[condition] = _threshold(condition, version, where)

    @property
    def names(self) -> tuple[str, ...]:
        """The scores that are supplied, as conditions call them."""
        return tuple(self.versions)

    def of_rows(self, rows: pa.RecordBatch) -> dict[str, NDArray[np.int32]]:
        """The score of every row, `(n,) int32`, by each name that conditions use; each version runs once.

        Raises:
            BadValue: a version reads a column that the rows do not have.
        """
        by_version = {label: self._scored(label, rows) for label in self._backends}
        return {name: by_version[label] for name, label in self.versions.items()}

    def _scored(self, label: str, rows: pa.RecordBatch) -> NDArray[np.int32]:
        backend = self._backends[label]
        columns = columns_of_score(label, backend, rows)
        if self._muon_phi is MuonPhi.RAW and label.startswith(f"{AXOL1TL}/") and "muon" in columns:
            columns["muon"] = with_raw_phi(columns["muon"])
        return backend.score(columns)


def exact_backend(version: LoadedVersion) -> Backend:
    """The engine for a version's exact score: the one that its manifest chooses.

    Raises:
        ModelError: nothing installed registers it, or the version is damaged.
    """
    return open_backend(version.manifest.backend, version)


def columns_of_score(label: str, backend: Backend, rows: pa.RecordBatch) -> dict[str, NDArray[Any]]:
    """What a version's backend reads of rows.

    Raises:
        BadValue: the rows do not have a column of it.
    """
    if lacking := sorted(set(backend.needed_columns) - set(rows.schema.names)):
        what = f"{label} reads {', '.join(lacking)}, which these crossings do not have"
        raise BadValue("scores", what, "give crossings that have it, or with --models a folder without that model")
    return _columns(rows, backend.needed_columns)


def with_raw_phi(muons: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Muon words, same shape, whose phi at the vertex is replaced by the raw one."""
    phi = MUON["phi"]
    return np.asarray(muons & ~np.uint64(phi.mask << phi.shift) | phi.put(MUON["phi_raw"].get(muons)), np.uint64)


def _load(repository: Repository, score: str) -> LoadedVersion | None:
    """The version behind `axol1tl/v3` or `axol1tl@production`, or None if the repository has none."""
    name, _, version = score.partition("@" if "@" in score else "/")
    try:
        return repository.load(name, version)
    except VersionMissing:
        return None


def _threshold(condition: WorkingPointCondition, version: LoadedVersion, where: str) -> int:
    points = version.manifest.working_points
    if condition.working_point not in points:
        raise UnknownName(where, f"working point of {version.label}", condition.working_point, points)
    return points[condition.working_point].threshold


@dataclass(frozen=True)
class EvaluatedBlock:
    """Rows of a source and what fires in them.

    Attributes:
        block: the rows, with their neighbours as context.
        bits: the algorithm bits, by row.
        first_crossing: the number of the first decided crossing in the source.
    """

    block: Block
    bits: SparseBits
    first_crossing: int


class OfflineMenu:
    """A menu with its scores, ready to be evaluated over sources.

    Example:
        >>> from triggers.events.synthetic import SyntheticSource
        >>> from triggers.menu.load import load_menu
        >>> offline = OfflineMenu(load_menu("shipped:menus/demo.yaml"), Repository())
        >>> sum(len(part.bits.rows) > 0 for part in offline.blocks(SyntheticSource(100, seed=1)))
        1
    """

    def __init__(self, menu: Menu, repository: Repository, muon_phi: MuonPhi = MuonPhi.VERTEX) -> None:
        self.menu = menu
        self.scores = OfflineScores(menu, repository, muon_phi)
        self.evaluator = Evaluator(menu, self.scores.names)

    def blocks(self, source: Source, size: int = BLOCK_CROSSINGS) -> Iterator[EvaluatedBlock]:
        """One pass over a source, in blocks of at most `size` decided crossings.

        Raises:
            L1ChainError: the source's content is damaged; what was yielded before is good.
        """
        first = 0
        for block in cut(source.batches(size), size, "bx" in self.evaluator.needed_columns):
            yield EvaluatedBlock(block, self._bits(block), first)
            first += block.crossings

    def _bits(self, block: Block) -> SparseBits:
        evaluator = self.evaluator
        bits = evaluator.objects(_columns(block.rows, evaluator.needed_columns), block.context)
        if not evaluator.score_conditions:
            return bits
        return evaluator.complete(bits, self.scores.of_rows(block.rows), self.scores.thresholds, block.context)


def crossing_with_neighbours(source: Source, crossing: int) -> tuple[pa.RecordBatch, int]:
    """One decided crossing with the rows up to two before and after it, and its row among them.

    Raises:
        BadValue: the source has no crossing of that number.
        L1ChainError: the source's content is damaged.
    """
    n = 0
    for block in cut(source.batches(BLOCK_CROSSINGS), BLOCK_CROSSINGS, neighbours=True):
        if crossing < n + block.crossings:
            row = int(decided_rows(block)[crossing - n])
            first = max(0, row - MAX_BX_OFFSET)
            names = [name for name in block.rows.schema.names if name != "context"]
            return block.rows.select(names).slice(first, row + MAX_BX_OFFSET + 1 - first), row - first
        n += block.crossings
    raise BadValue(source.info.name, f"there is no crossing {crossing}", f"choose one from 0 to {n - 1}")


def decided_rows(block: Block) -> NDArray[np.intp]:
    """The rows of a block that are no context, in order."""
    return np.arange(len(block.rows)) if block.context is None else np.flatnonzero(~block.context)


def _columns(rows: pa.RecordBatch, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    return {name: column_view(rows.column(name)) for name in names}
