"""Networks that learn the width of every number: exported with a type for each element, exact in every backend."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the [train] extra")
pytest.importorskip("hgq", reason="needs the [train] extra")

from models import zoo
from models.backends import fixed
from models.bit_operations import effective_bit_operations
from models.importing import NewVersion
from models.repository import Repository
from models.training.settings import TrainingSettings
from models.training.train import Trained, train_on
from models.training.versions import TrainingOrder, export
from tests.models.training_data import random_data, random_inputs
from triggers.errors import BadValue

pytestmark = [
    pytest.mark.train,
    pytest.mark.heavy,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
SMALL = {"hidden": [8], "latent": 3}
SETTINGS = TrainingSettings(epochs=40, batch_rows=256, learning_rate=0.02)


def trained(ebops_beta: float | None) -> Trained:
    recipe = zoo.recipe("gelato_l1", {**SMALL, "ebops_beta": ebops_beta})
    return train_on(recipe, random_data(recipe.layout), SETTINGS)


@pytest.fixture(scope="module")
def narrow() -> Trained:
    return trained(1e-6)


def test_every_element_has_its_own_type(narrow: Trained) -> None:
    types = [
        layer["output_type"]
        for layer in json.loads(narrow.network_document)["layers"]
        if layer["op"] == "quantise" and isinstance(layer["output_type"], list)
    ]
    assert max(len(set(of_layer)) for of_layer in types) > 1


def test_all_backends_give_the_scores_of_what_was_trained(narrow: Trained, tmp_path: Path) -> None:
    new = NewVersion(Repository(tmp_path, must_exist=False), narrow.recipe.model, "v1")
    written = export(narrow, TrainingOrder("gelato_l1", narrow.recipe, narrow.settings, new))
    found = {outcome.backend: outcome.differing for outcome in written.outcomes if outcome.differing is not None}
    assert {"fixed", "onnxruntime"} <= set(found)
    assert not any(found.values())
    assert narrow.agreement.differing == 0
    inputs = random_inputs("gelato-l1-44", 500, seed=2)
    low, high = narrow.network.score_type.code_range
    scores = np.clip(np.floor(narrow.float_scores(inputs) * narrow.network.integer_scale), low, high)
    assert np.array_equal(scores, fixed.score(narrow.network, inputs))


def test_the_more_bit_operations_cost_the_fewer_there_are(narrow: Trained) -> None:
    wide = trained(0.0)
    fewer, more = (effective_bit_operations(made.network) for made in (narrow, wide))
    assert 0 < fewer < 0.7 * more
    assert narrow.fitted.figures["effective_bit_operations"] == fewer
    assert narrow.records[-1].terms["bit_operations"] < narrow.records[0].terms["bit_operations"]


def test_the_weight_of_bit_operations_is_a_number_from_0() -> None:
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(BadValue, match="ebops_beta"):
            zoo.recipe("gelato_l1", {"ebops_beta": weight})
