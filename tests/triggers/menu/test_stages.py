"""Stages of the kernel: each sets what it should, and the last stage is the whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.triggers.menu.menu_parts import crossings, jet, menu_of, negated, single
from tests.triggers.menu.random_correlations import RandomCorrelations
from triggers.events.crossings import column_view
from triggers.menu.evaluate import Evaluator
from triggers.menu.stages import stages


def test_only_the_last_stage_sets_outputs():
    evaluator = Evaluator(menu_of(single("JET", 20), single("HTT", 0), negated(single("MU", 3))))
    batch = crossings({"jet": [jet(50)]}, {})
    rows = {
        name: evaluator.with_tables(tables).evaluate(batch).rows.tolist()
        for name, tables in stages(evaluator.tables).items()
    }
    assert rows == {"objects": [], "sums_and_signals": [], "correlations": [], "outputs": [0, 1]}


def test_threads_share_an_evaluator():
    draw = RandomCorrelations(7)
    evaluator, batch = Evaluator(draw.menu(20)), draw.batch(3000)
    columns = {name: column_view(batch.column(name)) for name in evaluator.needed_columns}
    expected = evaluator.objects(columns)
    with ThreadPoolExecutor(8) as pool:
        for bits in pool.map(evaluator.objects, [columns] * 40):
            assert (bits.words == expected.words).all()
