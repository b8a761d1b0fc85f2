"""Effective bit operations: what a network's products take."""

from __future__ import annotations

import numpy as np

from models.bit_operations import effective_bit_operations, weight_bits
from models.network_layers import Constants
from tests.models.encoder_networks import network_from, region_document, sum_document


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
