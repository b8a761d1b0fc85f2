"""Effective bit operations: what a network's products take."""

from __future__ import annotations

import numpy as np
import pytest

from models.bit_operations import effective_bit_operations, weight_bits
from models.network_layers import Constants
from tests.models.encoder_networks import encoder_document, network_from, region_document, sum_document


def test_a_weight_counts_from_its_highest_to_its_lowest_set_bit() -> None:
    assert weight_bits(Constants(np.array([0, 1, -4, 6, 7, -5, 96]), 0)).tolist() == [0, 1, 1, 2, 3, 3, 2]


def test_a_dense_layer_is_the_sum_over_its_products() -> None:
    network = network_from(sum_document([3, 0, 8], "ap_int<20>", "ap_int<40>", "ap_ufixed<20,20>"))
    assert effective_bit_operations(network) == (2 + 0 + 1) * 20


def test_a_convolution_counts_at_every_place() -> None:
    document = region_document(1)
    conv = np.array(document["layers"][0]["weights"]) * 256
    dense = np.array(document["layers"][3]["weights"]) * 64
    expected = weight_bits(Constants(conv.astype(np.int64), 8)).sum() * 9 * 7 * 10
    expected += weight_bits(Constants(dense.astype(np.int64), 6)).sum() * 10
    assert effective_bit_operations(network_from(document)) == expected


@pytest.mark.parametrize(
    ("weights", "operations"),
    [([0, 0], 0), ([1, 0], 8), ([3, 4], 16 + 8), ([5, -5], 24 + 24), ([-8, 6], 8 + 16), ([255, 1], 64 + 8)],
)
def test_bit_operations_are_products_of_widths(weights: list[int], operations: int) -> None:
    network = network_from(sum_document(weights, "ap_uint<8>", "ap_int<24>", "ap_uint<24>"))
    assert effective_bit_operations(network) == operations


def test_products_of_the_score_count_too() -> None:
    document = encoder_document(1, (2,))
    document["layers"][0]["weights"] = np.zeros((57, 2)).tolist()
    assert effective_bit_operations(network_from(document)) == 2 * 10 * 10
