"""What parts of the kernel leave in its working memory: legs, trials and hits; and which reference is enough."""

from __future__ import annotations

import numpy as np
import pytest

from tests.triggers.menu.menu_parts import crossings, jet, menu_of, objects, window
from tests.triggers.menu.test_conditions import fires
from triggers.events.crossings import column_view
from triggers.events.packing import pack
from triggers.events.schema import OBJECT_COLUMNS
from triggers.menu.block import SAMPLE, Block, Events, new_block
from triggers.menu.evaluate import Evaluator
from triggers.menu.kernel import evaluate_tables
from triggers.menu.kernel.hits import are_many, mark_hits, union_of
from triggers.menu.model import CutKind, Function, ObjectCondition
from triggers.menu.tables import KEYS

NEAR_JETS = ObjectCondition(
    Function.DIST, (objects("JET", 40), objects("JET", 20)), (window(CutKind.DELTA_R, 0, 0.5),)
)  # fmt: skip


def worked_on(*rows: dict[str, list[int]]) -> Block:
    """The working memory after crossings were evaluated for `NEAR_JETS`."""
    batch, evaluator = crossings(*rows), Evaluator(menu_of(NEAR_JETS))
    arrays = {name: column_view(batch.column(name)) for name in OBJECT_COLUMNS}
    arrays |= {"slots": np.empty(0, np.int64), "context": np.empty(0, np.bool_)}
    for array in arrays.values():
        array.flags.writeable = False
    block = new_block(evaluator.tables)
    evaluate_tables(evaluator.tables, Events(len(rows), **arrays), block)
    return block


def test_legs_are_listed_in_the_crossings_where_pairs_are_tried():
    block = worked_on({"jet": [jet(50), jet(100), jet(30)]}, {"jet": [jet(60)]}, {"jet": [0, jet(90), jet(41), jet(9)]})
    assert block.pending[0, : block.n_pending[0]].tolist() == [0, 2], "two jets above 20 GeV, one above 40 GeV"
    assert block.start[0, :3].tolist() == [0, -1, 2]
    assert block.end[0, [0, 2]].tolist() == [2, 4]
    assert block.listed[0, :4].tolist() == [jet(50), jet(100), jet(90), jet(41)]
    assert block.owner[0, :4].tolist() == [0, 0, 2, 2]
    assert [int(legs).bit_count() for legs in block.legs[0, :4]] == [1, 2, 2, 1], "one passes a leg, or both"


def test_combinations_are_of_different_objects_with_a_leg_each():
    block = worked_on({"jet": [jet(50), jet(100), jet(45), jet(90)]})
    combined = {frozenset(block.combined[:, k].tolist()) for k in range(5)}
    all_pairs = {frozenset({jet(a), jet(b)}) for a, b in [(50, 100), (45, 100), (50, 90), (45, 90), (90, 100)]}
    assert combined == all_pairs, "but not 50 with 45, of which neither is above 40 GeV"


def test_nothing_is_wanted_after_a_block():
    block = worked_on({"jet": [jet(100), jet(90)]}, {"jet": [jet(100), jet(90)]})
    assert block.n_pending[0] == 2
    assert not block.wanted.any()


def test_hits_are_marked_by_word_of_keys():
    atoms = np.array([[1, 0, 6], [0, 8, 8]], np.uint64)
    keys, marks = np.array([(0, 3), (1, 8)], KEYS), np.full(3, 99, np.uint64)
    mark_hits(keys, 0, atoms, 3, marks)
    assert marks.tolist() == [1, 2, 3]
    mark_hits(keys, 1, atoms, 2, marks)
    assert marks.tolist() == [0, 1, 3], "from the second word on, and two crossings only"


@pytest.mark.parametrize(("hits", "many"), [(SAMPLE // 2, False), (SAMPLE // 2 + 1, True)])
def test_hits_are_many_if_the_first_crossings_have_many(hits, many):
    atoms = np.zeros((1, 2 * SAMPLE), np.uint64)
    atoms[0, :hits] = 1
    atoms[0, SAMPLE:] = 1
    assert are_many(np.array([(0, 3)], KEYS), atoms, 2 * SAMPLE, 0.5) == many


def test_union_is_of_the_first_words():
    assert union_of(np.array([1, 4, 8], np.uint64), 2) == 5


def test_one_clear_reference_is_enough_for_a_pair():
    """A reference must be near neither jet of the pair; which of the references it is, and where it stands, is open."""
    remove = window(CutKind.OVERLAP_DELTA_R, 0, 0.2)
    pair = ObjectCondition(
        Function.DIST_ORM, (objects("JET", 20), objects("JET", 20), objects("TAU", 20)),
        (window(CutKind.DELTA_ETA, 0, 5), remove),
    )  # fmt: skip
    jets = [jet(60), jet(60, eta=30)]
    on_one, on_other, clear = (int(pack("tau", et=50, eta=eta)) for eta in (0, 30, 15))
    taus = [[on_one], [on_one, on_other], [clear], [on_one, on_other, clear], [clear, on_one], []]
    assert fires(pair, *({"jet": jets, "tau": row} for row in taus)) == [False, False, True, True, True, False]
    further = [*jets, jet(60, eta=-30)]
    assert fires(pair, {"jet": further, "tau": [on_one]}) == [True], "the two jets that it is not near"
