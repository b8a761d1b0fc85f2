"""The backend `hls4ml` gives the scores of `fixed`, layer by layer, and its versions do not meet in one process."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware.csim import CsimBackend, Library, compiled, layer_codes, open_csim
from firmware.errors import LibraryUnusable
from firmware.hls import hls_project
from firmware.hls_build import Flavour
from models.backends import backend_names, fixed, open_backend, quick_backend_names
from models.errors import BackendLimit, InputsInvalid, ModelError
from models.importing import import_network
from models.inputs import hardware_inputs
from models.reference import reference_inputs
from models.repository import LoadedVersion, Repository
from tests.firmware.extras import needs_hls4ml
from tests.firmware.hls_networks import traced_codes
from tests.models.encoder_networks import encoder_document, network_from, region_document, sum_document, version_from
from tests.models.random_networks import random_inputs, random_network

pytestmark = needs_hls4ml

SEEDS = (2, 6, 31)
"""Networks of all layers and scores together, with types of 0 bits, of one number each, and of all modes."""


def agree(seeds: Sequence[int], flavour: Flavour, folder: Path) -> None:
    networks = [random_network(seed) for seed in seeds]
    inputs = [random_inputs(network, 400, seed) for network, seed in zip(networks, seeds, strict=True)]
    found = list(traced_codes(networks, inputs, flavour, folder))
    for seed, network, x, tensors in zip(seeds, networks, inputs, found, strict=True):
        expected = fixed.run(network, x)
        assert network.score_tensor in tensors
        for name, codes in tensors.items():
            assert np.array_equal(codes, expected[name]), f"network {seed}, tensor {name}"


def test_random_networks_agree_layer_by_layer(tmp_path: Path) -> None:
    agree(SEEDS, Flavour.VITIS, tmp_path)


@pytest.mark.heavy
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize("first", [1000, 1020])
def test_many_random_networks_agree_layer_by_layer(flavour: Flavour, first: int, tmp_path: Path) -> None:
    agree(range(first, first + 20), flavour, tmp_path)


def as_version(document: dict, version: str) -> LoadedVersion:
    made = version_from(document)
    return replace(made, manifest=made.manifest.model_copy(update={"version": version}))


@pytest.fixture(scope="module")
def v1() -> CsimBackend:
    return CsimBackend(as_version(encoder_document(1), "v1"))


def test_words_inputs_and_reference_agree(v1: CsimBackend, random_columns: Callable) -> None:
    version = as_version(encoder_document(1), "v1")
    for n in (0, 1, 63, 1000):
        columns = random_columns(n, n)
        expected = fixed.FixedBackend(version).score(columns)
        scores = v1.score(columns)
        assert scores.dtype == np.int32
        assert np.array_equal(scores, expected)
        assert np.array_equal(v1.score_inputs(hardware_inputs(version.layout, columns)), expected)


def test_extremes_and_fractions_agree(v1: CsimBackend) -> None:
    network = v1.network
    inputs = reference_inputs(network, 3)
    expected = fixed.score(network, inputs)
    assert len(np.unique(expected)) > 100
    assert np.array_equal(v1.score_inputs(inputs), expected)


def test_every_layer_can_be_seen() -> None:
    document = sum_document([3, -5], "ap_fixed<8,8>", "ap_fixed<12,12>", "ap_fixed<9,9>")
    kinds = ["ap_fixed<8,6>", "ap_ufixed<0,0>"]
    document["layers"].append({"op": "concatenate", "inputs": ["sum", "sum"], "output": "two", "output_type": kinds})
    network = network_from(document)
    inputs = np.random.default_rng(4).integers(-128, 128, (50, 2))
    found, expected = layer_codes(network, hls_project(network, "a", "b"), inputs), fixed.run(network, inputs)
    assert {"sum", "two", network.score_tensor} <= found.keys()
    assert all(np.array_equal(codes, expected[name]) for name, codes in found.items())


def test_inputs_that_are_no_numbers_are_refused(v1: CsimBackend) -> None:
    for inputs in (np.zeros((2, 56)), np.full((2, 57), np.inf)):
        with pytest.raises(InputsInvalid):
            v1.score_inputs(inputs)


def test_versions_stand_side_by_side_and_go_one_by_one(v1: CsimBackend) -> None:
    inputs = np.random.default_rng(0).integers(-500, 900, (200, 57))
    expected = fixed.score(v1.network, inputs)
    document = sum_document([3, -5], "ap_fixed<8,8>", "ap_fixed<12,12>", "ap_fixed<9,9>")
    other = CsimBackend(as_version(document, "v1"))  # the same name: namespaces are equal, symbols are not shared
    assert v1.project.top == other.project.top
    for _ in range(2):
        assert np.array_equal(other.score_inputs(inputs[:, :2] % 100), fixed.score(other.network, inputs[:, :2] % 100))
        assert np.array_equal(v1.score_inputs(inputs), expected)
    mapped = compiled(other.project).name
    assert mapped in Path("/proc/self/maps").read_text()
    del other
    gc.collect()
    assert mapped not in Path("/proc/self/maps").read_text()
    assert np.array_equal(v1.score_inputs(inputs), expected)


def test_each_thread_has_its_own(v1: CsimBackend) -> None:
    inputs = np.random.default_rng(1).integers(-500, 900, (20_000, 57))

    def scored(_: int) -> np.ndarray:
        return CsimBackend(as_version(encoder_document(1), "v1")).score_inputs(inputs)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(scored, range(4)))
    assert all(np.array_equal(scores, found[0]) for scores in found)
    assert np.array_equal(found[0][:200], fixed.score(v1.network, inputs[:200]))


def test_regions_are_read_from_their_column() -> None:
    version = version_from(region_document(4))
    regions = np.random.default_rng(4).integers(0, 1 << 16, (300, 252)).astype(np.uint16)
    regions[:150] %= 64
    expected = fixed.FixedBackend(version).score({"regions": regions})
    assert len(np.unique(expected)) > 50
    assert np.array_equal(CsimBackend(version).score({"regions": regions}), expected)


def test_wide_numbers_are_exact() -> None:
    document = sum_document([-(2**39), 2**39 - 1], "ap_fixed<60,50>", "ap_fixed<110,100>", "ap_fixed<30,30>")
    document["layers"][0]["output_type"] = "ap_fixed<30,95,AP_RND_CONV,AP_SAT>"
    document["score"] |= {"type": "ap_fixed<30,30>", "element_type": "ap_fixed<30,30,AP_TRN,AP_WRAP>"}
    version = version_from(document)
    inputs = np.random.default_rng(5).integers(-(2**49), 2**49, (300, 2))
    inputs[:4] = [[-(2**49), 2**49 - 1], [2**49 - 1, -(2**49)], [0, 0], [1, -1]]
    backend = CsimBackend(version)
    assert np.array_equal(backend.score_inputs(inputs), fixed.score(version.network, inputs))


def test_layers_of_more_than_64_bits_are_not_traced() -> None:
    network = network_from(sum_document([1], "ap_fixed<8,8>", "ap_fixed<70,70>", "ap_fixed<9,9>"))
    with pytest.raises(BackendLimit, match="tracing numbers of more than 64 bits is not supported"):
        layer_codes(network, hls_project(network, "a", "b"), np.zeros((1, 1), np.int64))


def test_the_registry_opens_it_but_does_not_take_it_for_quick(random_columns: Callable) -> None:
    assert "hls4ml" in backend_names()
    assert "hls4ml" not in quick_backend_names()
    assert {"fixed", "native", "onnxruntime"} <= set(quick_backend_names())
    version = as_version(encoder_document(1), "v1")
    assert isinstance(open_backend("hls4ml", version), CsimBackend)
    assert open_csim(version).needed_columns == version.layout.columns


def test_an_import_compares_it_if_asked(tmp_path: Path) -> None:
    path = tmp_path / "network.json"
    path.write_text(json.dumps(encoder_document(1)))
    quick = import_network(path, Repository(tmp_path / "r", must_exist=False), "axol1tl", "quick")
    assert "hls4ml" not in quick.manifest.compared
    full = import_network(path, Repository(tmp_path / "r", must_exist=False), "axol1tl", "v1", all_backends=True)
    assert full.manifest.compared["hls4ml"].differing == 0
    assert full.manifest.backend == quick.manifest.backend == "onnxruntime"


def test_a_version_without_a_network_says_so(make_version: Callable, tmp_path: Path) -> None:
    make_version()
    with pytest.raises(ModelError, match=r"lists no 'network\.json'"):
        open_csim(Repository(tmp_path).load("axol1tl", "v1"))


def test_an_object_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.so").touch()
    with pytest.raises(LibraryUnusable, match=r"empty\.so: cannot be used .*too short"):
        Library(tmp_path / "empty.so")
