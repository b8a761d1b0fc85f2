"""Every evaluated algorithm gives the bits that the CMS emulator computed for real menus and crossings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from triggers.events.crossings import column_view
from triggers.events.readers.test_vector import TestVectorSource as VectorSource
from triggers.menu.evaluate import Evaluator, SparseBits
from triggers.menu.load import load_menu

pytestmark = pytest.mark.conformance

N_PAIRS = 41


def test_all_pairs_are_tested(conformance):
    assert len(json.loads((conformance / "pairs.json").read_text())["pairs"]) == N_PAIRS


@pytest.mark.parametrize("number", range(N_PAIRS))
def test_bits_of_a_menu_and_its_test_vector(conformance, number):
    pair = json.loads((conformance / "pairs.json").read_text())["pairs"][number]
    menu = load_menu(conformance / pair["menu"])
    (batch,) = VectorSource([conformance / pair["vector"]]).batches(2 * pair["n_crossings"])
    decided = ~batch.column("context").to_numpy(zero_copy_only=False)
    assert decided.sum() == pair["n_crossings"]
    evaluator = Evaluator(menu)
    assert len(evaluator.evaluated) + len(evaluator.not_evaluated) == pair["n_algorithms"]
    found = evaluator.evaluate(batch).dense(batch.num_rows)[decided]
    rows = np.arange(batch.num_rows, dtype=np.uint32)
    expected = SparseBits(rows, column_view(batch.column("expected"))).dense(batch.num_rows)[decided]
    differing = {
        algorithm.name: int((found[:, algorithm.index] != expected[:, algorithm.index]).sum())
        for algorithm in evaluator.evaluated
        if algorithm.name not in pair["exclude_seeds"]
    }
    assert not any(differing.values()), {name: n for name, n in differing.items() if n}
