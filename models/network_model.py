"""A network, resolved: named tensors and typed layers of integers (`docs/networks.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import FixedPoint
from models.network_document import NetworkDocument
from models.network_layers import Layer, Tensor


@dataclass(frozen=True, eq=False)
class Scaling:
    """From given inputs to the network's, integers only.

    u = convert(x), d = convert(u − offset), s = convert(d·2^−shift), each to `unscaled`; the network's input is s,
    converted to the types of the tensor `Network.input_tensor`.

    Attributes:
        unscaled: the type of u, d, s.
        offset: codes `(n_inputs,)`, times 2^−`offset_fraction_bits`.
        offset_fraction_bits: of all offsets.
        shift: `(n_inputs,)`; negative ones double.
    """

    unscaled: FixedPoint
    offset: NDArray[np.int64]
    offset_fraction_bits: int
    shift: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Network:
    """A network, checked and resolved.

    Attributes:
        document: as it is written.
        scaling: from the given inputs to the tensor `input_tensor`; None: they are that tensor, after `given_type`.
        tensors: all tensors by name, those of the score too.
        layers: in an order in which each layer's inputs are there before it.
        score_layers: from the network's tensors to the score, in such an order; the same kinds of layers.
        score_tensor: one number; its codes are the integers that a menu compares with its threshold.
    """

    document: NetworkDocument
    scaling: Scaling | None
    tensors: Mapping[str, Tensor]
    layers: tuple[Layer, ...]
    score_layers: tuple[Layer, ...]
    score_tensor: str

    @property
    def name(self) -> str:
        """For people."""
        return self.document.name

    @property
    def given_type(self) -> FixedPoint:
        """What every given number is converted to before all else."""
        return self.document.inputs.type

    @property
    def input_tensor(self) -> str:
        """What the first layers read."""
        return self.document.inputs.tensor

    @property
    def n_inputs(self) -> int:
        """Numbers given per crossing."""
        return self.tensors[self.input_tensor].size

    @cached_property
    def all_layers(self) -> tuple[Layer, ...]:
        """The layers, then those of the score."""
        return self.layers + self.score_layers

    @property
    def score_type(self) -> FixedPoint:
        """The score's type; its codes fit int32."""
        return self.tensors[self.score_tensor].types[0]

    @property
    def integer_scale(self) -> int:
        """The menu's integers per unit of the score."""
        return 1 << self.score_type.fraction_bits

    def to_json(self) -> bytes:
        """The canonical text, UTF-8, which `models.network.read_network` reads as an equal network."""
        return self.document.to_json()
