"""How fast a menu is evaluated on one core, stage by stage (`docs/menu-kernel.md`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.events.crossings import batch_of, column_view, stranger_slots
from triggers.events.schema import OBJECT_COLUMNS
from triggers.events.source import Source
from triggers.menu.conditions.expression import evaluate_oracle
from triggers.menu.conditions.score import score_condition
from triggers.menu.evaluate import Evaluator
from triggers.menu.load import load_menu
from triggers.menu.model import Menu, conditions_of
from triggers.menu.stages import stages

DEFAULT_CROSSINGS: Final = 1 << 20
BATCH: Final = 16_384
_READ: Final = 65_536
_ORACLE_CROSSINGS: Final = 100
_REPEATS: Final = 3
_LOADS: Final = 3

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class MenuSpeed:
    """What was measured; times are CPU time of one thread, the best of several passes.

    Attributes:
        menu: the menu's name.
        algorithms: that were evaluated; those on scores as far as objects go, the networks' own time apart.
        crossings: distinct ones in a pass, in random order.
        crossings_per_s: from packed words to algorithm bits.
        ns: per crossing, all stages together.
        stages_ns: of that, each stage.
        load_s: from the menu's file to a ready evaluator, without the first compilation.
        oracle_crossings_per_s: the same bits from the plain evaluator in Python, for scale.
    """

    menu: str
    algorithms: int
    crossings: int
    crossings_per_s: float
    ns: float
    stages_ns: Mapping[str, float]
    load_s: float
    oracle_crossings_per_s: float


def measure_menu(path: str, source: Source, n_crossings: int = DEFAULT_CROSSINGS, seed: int = 1) -> MenuSpeed:
    """Evaluate crossings of a source, all different and in random order.

    Crossings lose their neighbours: conditions with a crossing offset are evaluated, but see nothing there.

    Args:
        path: the menu, as `load_menu` takes it.
        source: where the crossings come from; no more than it has are used.
        n_crossings: how many at most.
        seed: of the order.

    Raises:
        triggers.errors.L1ChainError: menu or source cannot be read.
    """
    menu = load_menu(path)
    evaluator = _evaluator(menu)
    batches = _batches(_shuffled(source, n_crossings, seed))
    n = sum(len(batch["orbit"]) for batch in batches)
    whole = _ns_per_crossing(evaluator.objects, batches, n)
    return MenuSpeed(
        menu=menu.name,
        algorithms=len(evaluator.evaluated),
        crossings=n,
        crossings_per_s=1e9 / whole,
        ns=whole,
        stages_ns=_stages_ns(evaluator, batches, n),
        load_s=min(_seconds(lambda: _evaluator(load_menu(path))) for _ in range(_LOADS)),
        oracle_crossings_per_s=_oracle_speed(menu, batches[0]),
    )


def _evaluator(menu: Menu) -> Evaluator:
    conditions = (condition for algorithm in menu.algorithms for condition in conditions_of(algorithm.expression))
    wanted = (score_condition(condition) for condition in conditions)
    return Evaluator(menu, {score.score for score in wanted if score is not None})


def _shuffled(source: Source, n_crossings: int, seed: int) -> Columns:
    """The object columns of the source's crossings in random order, at times that make all of them strangers."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in OBJECT_COLUMNS}
    n = 0
    for batch in source.batches(_READ):
        decided = np.ones(batch.num_rows, np.bool_)
        if "context" in batch.schema.names:
            decided = ~batch.column("context").to_numpy(zero_copy_only=False)
        for name, part in parts.items():
            part.append(column_view(batch.column(name))[decided][: n_crossings - n])
        n += len(parts["muon"][-1])
        if n >= n_crossings:
            break
    order = np.random.default_rng(seed).permutation(n)
    orbit, bx = stranger_slots(0, n)
    return {name: np.concatenate(part)[order] for name, part in parts.items()} | {"orbit": orbit, "bx": bx}


def _batches(columns: Columns) -> list[Columns]:
    starts = range(0, len(columns["orbit"]), BATCH)
    return [{name: values[start : start + BATCH] for name, values in columns.items()} for start in starts]


def _stages_ns(evaluator: Evaluator, batches: Sequence[Columns], n: int) -> dict[str, float]:
    """The time that each stage adds to those before it."""
    until = {
        name: _ns_per_crossing(evaluator.with_tables(tables).objects, batches, n)
        for name, tables in stages(evaluator.tables).items()
    }
    before = [0.0, *until.values()]
    return {name: ns - earlier for (name, ns), earlier in zip(until.items(), before, strict=False)}


def _ns_per_crossing(evaluate: Callable[[Columns], object], batches: Sequence[Columns], n: int) -> float:
    """The best of several passes; a first one compiles."""
    evaluate(batches[0])
    return min(_pass_ns(evaluate, batches) for _ in range(_REPEATS)) / max(n, 1)


def _pass_ns(evaluate: Callable[[Columns], object], batches: Sequence[Columns]) -> int:
    start = time.thread_time_ns()
    for batch in batches:
        evaluate(batch)
    return time.thread_time_ns() - start


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _oracle_speed(menu: Menu, columns: Columns) -> float:
    batch = batch_of({name: values[:_ORACLE_CROSSINGS] for name, values in columns.items()})
    return float(batch.num_rows / _seconds(lambda: evaluate_oracle(menu, batch)))
