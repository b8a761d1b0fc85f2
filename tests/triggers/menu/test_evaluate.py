"""The evaluator: what it can evaluate, what it reads, and its two halves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.triggers.menu.menu_parts import (
    all_of,
    any_of,
    axo,
    codes,
    comb,
    crossings,
    jet,
    menu_of,
    negated,
    objects,
    single,
    window,
)
from triggers.errors import SchemaMismatch, UnknownName
from triggers.events.crossings import column_view
from triggers.menu.evaluate import Evaluator
from triggers.menu.model import CutKind, ExternalCondition, WorkingPointCondition

POINT = WorkingPointCondition("axol1tl", "production", "nominal")


def test_what_cannot_be_evaluated_is_listed_with_the_reason():
    menu = menu_of(
        single("JET", 20),
        ExternalCondition("EXT_unknown", None),
        axo(5),
        POINT,
        single("AXO", None, codes(CutKind.MODEL, "v4"), window(CutKind.SCORE, 3, 0), bx=1),
    )
    evaluator = Evaluator(menu, {"axol1tl/v4"})
    assert [algorithm.name for algorithm in evaluator.evaluated] == ["A0"]
    assert dict(evaluator.not_evaluated) == {
        "A1": "the menu gives the external signal EXT_unknown no channel",
        "A2": "needs the score axol1tl/v3, which this run does not have",
        "A3": "needs the score axol1tl@production, which this run does not have",
        "A4": "needs the score of a neighbouring crossing",
    }


def test_only_the_columns_that_the_menu_looks_at_are_needed():
    assert Evaluator(menu_of(single("JET", 20), single("HTT", 60))).needed_columns == ("jet", "sums")
    assert Evaluator(menu_of(single("MUS0"), single("CICADA"))).needed_columns == ("muon", "sums")
    offset = Evaluator(menu_of(ExternalCondition("EXT_x", 1, -1)))
    assert offset.needed_columns == ("orbit", "bx", "external")
    assert Evaluator(menu_of(all_of(axo(5), single("EG", 5))), {"axol1tl/v3"}).needed_columns == ("eg",)
    assert Evaluator(menu_of(axo(5)), {"axol1tl/v3"}).needed_columns == ()


def test_columns_that_are_not_needed_may_be_absent():
    evaluator = Evaluator(menu_of(single("JET", 20)))
    words = np.zeros((2, 12), np.uint32)
    words[1, 3] = jet(40)
    assert evaluator.objects({"jet": words}).rows.tolist() == [1]


def test_a_column_of_the_wrong_shape_is_refused():
    with pytest.raises(SchemaMismatch, match=r"column 'jet' is of shape \(2, 8\), expected shape \(2, 12\)"):
        Evaluator(menu_of(single("JET", 20))).objects({"jet": np.zeros((2, 8), np.uint32)})


def test_context_rows_are_neighbours_but_never_reported():
    menu = menu_of(single("JET", 20), single("JET", 20, bx=1), negated(axo(9)))
    batch = crossings({}, {"jet": [jet(50)]}, bx=[5, 6])
    columns = {name: column_view(batch.column(name)) for name in batch.schema.names if name not in ("run", "event")}
    context = np.array([False, True])
    evaluator = Evaluator(menu, {"axol1tl/v3"})
    bits = evaluator.objects(columns, context)
    assert (bits.rows.tolist(), bits.words[:, 0].tolist()) == ([0], [0b010])
    bits = evaluator.complete(bits, {"axol1tl/v3": np.array([1, 1])}, context=context)
    assert (bits.rows.tolist(), bits.words[:, 0].tolist()) == ([0], [0b110])


def test_objects_of_algorithms_with_scores_travel_as_extra_words():
    seed, other = single("JET", 20), comb(objects("EG", 5), objects("EG", 5))
    menu = menu_of(all_of(axo(9), seed), all_of(axo(7), any_of(other, seed)), axo(8))
    evaluator = Evaluator(menu, {"axol1tl/v3"})
    bits = evaluator.objects({"jet": np.array([[jet(40)] + 11 * [0]]), "eg": np.zeros((1, 12))})
    assert (bits.words.shape, evaluator.n_words) == ((1, 9), 9)
    assert not bits.words[:, :8].any()
    for score, expected in ((6, []), (7, [0b010]), (8, [0b110]), (9, [0b111])):
        complete = evaluator.complete(bits, {"axol1tl/v3": np.array([score])})
        assert complete.words[:, 0].tolist() == expected
        assert complete.words.shape == (len(expected), 8)


def test_a_menu_without_scores_needs_no_completion():
    evaluator = Evaluator(menu_of(single("JET", 20)), {"axol1tl/v3"})
    bits = evaluator.objects({"jet": np.zeros((3, 12))})
    assert evaluator.complete(bits) is bits
    assert evaluator.score_conditions == ()


def test_rows_in_which_only_a_score_fires_are_added_in_order():
    evaluator = Evaluator(menu_of(single("JET", 20), axo(9)), {"axol1tl/v3"})
    words = np.zeros((5, 12), np.uint32)
    words[[1, 3], 0] = jet(40)
    bits = evaluator.complete(evaluator.objects({"jet": words}), {"axol1tl/v3": np.array([9, 0, 0, 9, 9], np.uint32)})
    assert bits.rows.tolist() == [0, 1, 3, 4]
    assert bits.words[:, 0].tolist() == [2, 1, 3, 2]


def test_thresholds_beyond_the_score_type_never_pass():
    evaluator = Evaluator(menu_of(axo(10_000_000), axo(65_535)), {"axol1tl/v3"})
    bits = evaluator.complete(evaluator.objects({}), {"axol1tl/v3": np.array([65_535], np.uint16)})
    assert bits.words[:, 0].tolist() == [2]


def test_missing_scores_and_thresholds_are_named():
    evaluator = Evaluator(menu_of(axo(9)), {"axol1tl/v3"})
    with pytest.raises(UnknownName, match="unknown score 'axol1tl/v3'"):
        evaluator.complete(evaluator.objects({}), {})
    evaluator = Evaluator(menu_of(POINT), {"axol1tl@production"})
    with pytest.raises(UnknownName, match="unknown working point 'axol1tl@production:nominal'"):
        evaluator.complete(evaluator.objects({}), {"axol1tl@production": np.array([1])})
