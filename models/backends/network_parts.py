"""What several backends need of a network: codes of its inputs for all packed words, and the part before the score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.backends.fixed import input_codes
from models.inputs import InputLayout
from models.network import Network


def codes_of_values(network: Network, layout: InputLayout) -> NDArray[np.int64]:
    """The codes of the network's input tensor for `layout.values()`, in the same shape."""
    values = layout.values()
    return np.asarray(input_codes(network, values).reshape(values.shape), np.int64)


def layers_alone(network: Network) -> Network:
    """The network without what makes the score of its last tensor."""
    return replace(network, score_layers=(), score_tensor=network.document.score.of)
