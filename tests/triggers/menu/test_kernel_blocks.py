"""The kernel gives the same bits however full its blocks are: what is rare and what is common goes different ways."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.triggers.menu.menu_parts import RandomMenu, crossings, jet, menu_of, objects, single, window
from tests.triggers.menu.random_correlations import RandomCorrelations
from triggers.events.crossings import batch_of, column_view, stranger_slots
from triggers.events.schema import N_CALO_OBJECTS, OBJECT_COLUMNS
from triggers.menu.block import BLOCK, N_COMBINATIONS
from triggers.menu.conditions.expression import evaluate_oracle
from triggers.menu.evaluate import Evaluator
from triggers.menu.model import CutKind, Function, Menu, ObjectCondition

N_DISTINCT = 24


def strangers(batch: pa.RecordBatch, rows: np.ndarray) -> pa.RecordBatch:
    """Crossings with the objects of some rows of a batch, none a neighbour of another."""
    orbit, bx = stranger_slots(0, len(rows))
    return batch_of(
        {name: column_view(batch.column(name))[rows] for name in OBJECT_COLUMNS} | {"orbit": orbit, "bx": bx}
    )


def without_scores(menu: Menu) -> Menu:
    on_scores = Evaluator(menu).on_scores
    kept = [algorithm.expression for algorithm in menu.algorithms if algorithm.name not in on_scores]
    return menu_of(*kept, scales=menu.scales)


@pytest.mark.parametrize("draw", [RandomMenu(5), RandomMenu(6), RandomCorrelations(5), RandomCorrelations(6)])
def test_full_and_nearly_empty_blocks_give_the_bits_of_the_oracle(draw):
    evaluator, batch = Evaluator(without_scores(draw.menu(24))), draw.batch(N_DISTINCT)
    expected = evaluate_oracle(evaluator.menu, strangers(batch, np.arange(N_DISTINCT)))
    empty = evaluate_oracle(evaluator.menu, crossings({}))
    for every in (1, BLOCK // 4):  # one crossing in so many has objects
        n = 3 * N_DISTINCT * every
        rows = np.arange(n) // every % N_DISTINCT
        filled = np.arange(n) % every == 0
        columns = {name: column_view(column).copy() for name, column in columns_of(strangers(batch, rows))}
        for name in OBJECT_COLUMNS:
            columns[name][~filled] = 0
        bits = evaluator.evaluate(batch_of(columns)).dense(n)
        assert (bits[filled] == expected[rows[filled]]).all()
        assert (bits[~filled] == empty).all()


def columns_of(batch: pa.RecordBatch):
    return zip(batch.schema.names, batch.columns, strict=True)


def test_blocks_with_more_combinations_than_are_tested_together_lose_none():
    """Twelve jets in each crossing, of which only the last two are near."""
    near = ObjectCondition(Function.DIST, (objects("JET", 20),) * 2, (window(CutKind.DELTA_R, 0, 0.1),))
    spread = [jet(60, eta=(20 * slot) % 100, phi=11 * slot) for slot in range(N_CALO_OBJECTS - 1)]
    batch = crossings({"jet": [*spread, spread[-1]]}, {"jet": spread})
    n = 2 * BLOCK
    assert n * N_CALO_OBJECTS * (N_CALO_OBJECTS - 1) // 2 > N_COMBINATIONS
    rows = np.arange(n) % 3 % 2
    bits = Evaluator(menu_of(near)).evaluate(strangers(batch, rows)).dense(n)
    assert (bits[:, 0] == (rows == 0)).all()


@pytest.mark.parametrize("distance", [1, 2])
@pytest.mark.parametrize("row", [0, 1, BLOCK - 2, BLOCK - 1, BLOCK, 2 * BLOCK - 3])
def test_one_pair_of_neighbours_is_seen_wherever_it_stands(row, distance):
    n = 2 * BLOCK
    slots = 3 * np.arange(n) + 3
    slots[row + 1 :] -= 3 - distance
    columns = {"orbit": np.ones(n, np.uint32), "bx": slots.astype(np.uint16)}
    jets = np.zeros((n, N_CALO_OBJECTS), np.uint32)
    jets[row : row + 2, 0] = jet(60)
    evaluator = Evaluator(menu_of(single("JET", 20, bx=-distance), single("JET", 20, bx=distance)))
    evaluated = evaluator.objects(columns | {"jet": jets})
    assert evaluated.rows.tolist() == [row, row + 1]
    assert evaluated.words[:, 0].tolist() == [2, 1]
