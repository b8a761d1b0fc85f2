"""From a source and a menu to which algorithms fire together, and to a prescale column in a table."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.errors import FolderUnwritable
from stream.run.offline import EvaluatedBlock, OfflineMenu, decided_rows
from triggers.decision.prescales import INCREMENT, PrescaleTable
from triggers.errors import FileExists
from triggers.events.crossings import column_view
from triggers.events.schema import ALGORITHM_WORDS
from triggers.events.source import Source
from triggers.menu.model import Menu
from triggers.studies.prescale_suggestion import FiredPatterns, Suggestion

_FIRST_COLUMNS: Final = ("Index", "Name")


def count_patterns(
    offline: OfflineMenu, source: Source, watch: Callable[[int], None] | None = None
) -> tuple[dict[bytes, float], float, float | None]:
    """The weight of each set of algorithms that fires, the weight of all crossings, and their mean pile-up.

    Raises:
        L1ChainError: the source's content is damaged.
    """
    weights: defaultdict[bytes, float] = defaultdict(float)
    total = pileup = 0.0
    has_pileup, has_weights = (name in source.info.optional_columns for name in ("pileup", "weight"))
    for part in offline.blocks(source):
        weight = _numbers(part, "weight") if has_weights else np.ones(len(part.block.rows))
        decided = decided_rows(part.block)
        total += float(weight[decided].sum())
        if has_pileup:
            pileup += float(weight[decided] @ _numbers(part, "pileup")[decided])
        words = np.ascontiguousarray(part.bits.words[:, :ALGORITHM_WORDS]).astype("<u8")
        for fired, row in zip(words, part.bits.rows.tolist(), strict=True):
            weights[fired.tobytes()] += float(weight[row])
        if watch:
            watch(part.first_crossing + part.block.crossings)
    return dict(weights), total, pileup / total if has_pileup and total > 0 else None


def _numbers(part: EvaluatedBlock, name: str) -> NDArray[np.float64]:
    return np.asarray(column_view(part.block.rows.column(name)), np.float64)


def fired_patterns(menu: Menu, weights: dict[bytes, float], hz_per_weight: float) -> FiredPatterns:
    """The sets of algorithms with their rates."""
    algorithms = sorted(menu.algorithms, key=lambda algorithm: algorithm.index)
    octets = np.frombuffer(b"".join(weights), np.uint8).reshape(len(weights), -1)
    bits = np.unpackbits(octets, axis=1, bitorder="little").astype(np.bool_)
    chosen = bits[:, [algorithm.index for algorithm in algorithms]]
    rates_hz = np.array(list(weights.values())) * hz_per_weight
    return FiredPatterns(chosen, rates_hz, tuple(algorithm.name for algorithm in algorithms))


def write_with_column(path: Path, menu: Menu, table: PrescaleTable, column: str, suggestion: Suggestion) -> None:
    """The table with one more column, as CSV.

    Raises:
        FileExists: there is a file.
        FolderUnwritable: it cannot be written.
    """
    names = [*table.columns, column]
    try:
        with path.open("x", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*_FIRST_COLUMNS, *names])
            for algorithm in sorted(menu.algorithms, key=lambda algorithm: algorithm.index):
                known = [table.columns[name].get(algorithm.name, INCREMENT) for name in table.columns]
                factors = [*known, suggestion.factors[algorithm.name]]
                written = [f"{factor / INCREMENT:.12g}" for factor in factors]
                writer.writerow([algorithm.index, algorithm.name, *written])
    except FileExistsError:
        raise FileExists(path) from None
    except OSError as error:
        raise FolderUnwritable(path, f"cannot be written ({error.strerror})") from error
