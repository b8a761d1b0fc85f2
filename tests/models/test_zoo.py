"""Every system of the zoo: what is exported is what was trained, bit for bit, in every backend."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the [train] extra")

from models import zoo
from models.backends import fixed
from models.importing import NewVersion
from models.repository import Repository
from models.training.settings import TrainingSettings
from models.training.train import Trained, train_on
from models.training.versions import TrainingOrder, export
from models.zoo.axol1tl_gmm import geometric_mean
from models.zoo.registry import load_config
from tests.models.training_data import random_data, random_inputs
from triggers.errors import BadValue, UnknownName

pytestmark = pytest.mark.train

SETTINGS = TrainingSettings(epochs=1, batch_rows=512)
WHITENED = {
    "projector": [16],
    "momentum_shift": {"jet": 3, "eg": 2, "muon": 2, "met": 3},
    "momentum_limit_gev": {"jet": 70, "eg": 70, "muon": 35, "met": 70},
    "embedding_type": "ap_fixed<13,7,AP_RND_CONV,AP_SAT>",
    "least_variance": 2.0,
    "reconstruction_type": "ap_fixed<8,1,AP_RND_CONV,AP_SAT>",
}
EXACT = [
    ("axol1tl_v4", {}),
    ("axol1tl_v4", {"hidden": [32, 16]}),
    ("axol1tl_gmm", {"projector": [16], "gaussians": 3}),
    ("axol1tl_v5", {"projector": [16]}),
    ("axol1tl_v5", WHITENED),
    ("cicada", {"teacher_filters": 4, "teacher_latent": 8}),
    ("gelato_l1", {}),
    ("gelato_hlt", {}),
    ("adc2021_dense_ae", {}),
    ("adc2021_conv_ae", {"bits": 5}),
    ("adc2021_dense_vae", {"score": "mse", "bits": 2}),
]
TABLED = [("adc2021_dense_vae", {"score": "kl"}), ("adc2021_conv_vae", {"score": "r_z"})]


def trained(name: str, changes: dict[str, object]) -> Trained:
    recipe = zoo.recipe(name, changes)
    return train_on(recipe, random_data(recipe.layout), SETTINGS)


@pytest.mark.parametrize(("name", "changes"), EXACT + TABLED)
def test_all_backends_give_the_scores_of_what_was_trained(
    name: str, changes: dict[str, object], tmp_path: Path
) -> None:
    made = trained(name, changes)
    new = NewVersion(Repository(tmp_path, must_exist=False), made.recipe.model, "v1")
    written = export(made, TrainingOrder(name, made.recipe, made.settings, new))
    found = {outcome.backend: outcome.differing for outcome in written.outcomes if outcome.differing is not None}
    assert {"fixed", "onnxruntime"} <= set(found)
    assert not any(found.values())
    assert written.manifest.training is not None
    assert written.manifest.training.settings["data_sha256"] == made.digest
    if (name, changes) in EXACT:
        assert made.agreement.differing == 0
    else:
        assert made.agreement.largest <= 64  # tables of variances are rounded: 1/64 of the score's unit


@pytest.mark.parametrize("name", ["axol1tl_v4", "axol1tl_v5"])
def test_float_scores_are_those_of_the_network_on_crossings_never_seen(name: str) -> None:
    made = trained(name, {})
    inputs = random_inputs("axol1tl-57", 500, seed=2)
    low, high = made.network.score_type.code_range
    scores = np.clip(np.floor(made.float_scores(inputs) * made.network.integer_scale), low, high)
    assert np.array_equal(scores, fixed.score(made.network, inputs))


def test_the_same_seed_gives_the_same_network_and_another_one_another() -> None:
    recipe = zoo.recipe("gelato_l1")
    data = random_data(recipe.layout)
    first, again, other = (
        train_on(recipe, data, SETTINGS.model_copy(update={"seed": seed})).network_document for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_half_of_the_weights_of_the_adc2021_networks_are_zero() -> None:
    document = json.loads(trained("adc2021_dense_ae", {}).network_document)
    for layer in document["layers"]:
        assert np.mean(np.array(layer["weights"]) == 0) >= 0.5


def test_the_adc2021_networks_are_trained_on_crossings_with_a_lepton() -> None:
    recipe = zoo.recipe("adc2021_dense_ae")
    rows = np.zeros((4, 57), np.int16)
    rows[0, 3], rows[1, 24], rows[2, 27], rows[3, 3] = 47, 60, 2000, 46
    assert recipe.accepted(rows).tolist() == [True, True, False, False]


@pytest.mark.parametrize(("changes", "low", "high"), [({}, 0.1, 0.9), ({"beta": 0.4}, -0.01, 0.01)])
def test_the_autoencoder_of_the_recipe_for_axol1tl_v5_does_not_collapse_as_it_does_with_a_large_beta(
    changes: dict[str, object], low: float, high: float
) -> None:
    config = load_config("shipped:training/axol1tl_v5.yaml")
    recipe = zoo.recipe(config.system, {**config.recipe, "projector": [16], "embedding_epochs": 1, **changes})
    settings = config.settings.model_copy(update={"batch_rows": 64})
    made = train_on(recipe, random_data(recipe.layout), settings)
    assert low < made.fitted.figures["explained_variance"] < high


def test_the_geometric_mean_of_distances_is_0_if_one_of_them_is() -> None:
    assert geometric_mean(np.array([[1.0, 4.0], [0.0, 3.0]])).tolist() == [pytest.approx(2.0), 0.0]


def test_a_gmm_has_other_means_of_the_distances_to_compare() -> None:
    made = trained("axol1tl_gmm", {"projector": [16]})
    inputs = random_inputs("axol1tl-57", 200, seed=3)
    other = made.other_scores(inputs)
    geometric = made.float_scores(inputs)
    assert (other["minimum"] <= geometric + 1e-9).all()
    assert (geometric <= other["arithmetic_mean"] + 1e-9).all()
    assert (other["arithmetic_mean"] <= other["maximum"] + 1e-9).all()


def test_unknown_systems_and_fields_are_one_sentence() -> None:
    with pytest.raises(UnknownName, match="zoo: unknown system 'axol1tl_v6'; use one of: axol1tl_v5, axol1tl_v4"):
        zoo.recipe("axol1tl_v6")
    with pytest.raises(UnknownName, match="recipe axol1tl_v5: unknown key 'latents'"):
        zoo.recipe("axol1tl_v5", {"latents": 3})
    with pytest.raises(
        BadValue, match="reconstruction_type.* cannot be trained in; write ap_fixed<8,1,AP_RND_CONV,AP_SAT>"
    ):
        zoo.recipe("axol1tl_v5", {"reconstruction_type": "ap_fixed<8,1>"})
    with pytest.raises(BadValue, match="least_variance whitens the embedding, which needs a signed type"):
        zoo.recipe("axol1tl_v5", {"least_variance": 2.0})
    with pytest.raises(BadValue, match="recipe adc2021_dense_ae, bits: found 17"):
        zoo.recipe("adc2021_dense_ae", {"bits": 17})
    with pytest.raises(BadValue, match="recipe adc2021_dense_ae, score"):
        zoo.recipe("adc2021_dense_ae", {"score": "kl"})
