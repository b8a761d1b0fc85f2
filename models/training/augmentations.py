"""Two views of one crossing: smeared, with objects missing, turned in phi (`docs/training.md`, "Augmentations")."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import tensorflow as tf
from pydantic import Field

from models.layouts import LayoutName, named_elements, named_layout
from models.training.quantiles import momentum_inputs
from triggers.strict_yaml import StrictModel

_CALORIMETER_PHI: Final = 144
_MUON_PHI: Final = 576
_MUON: Final = "muon"
_RESOLUTION: Final = {"met": 0.3, "eg": 0.1, "muon": 0.15, "jet": 0.2, "tau": 0.2}


class Augmentations(StrictModel):
    """How much the two views of a crossing differ.

    Attributes:
        momentum_resolution: relative width of the smearing of momenta, by object.
        position_resolution: width of the smearing of eta and phi, hardware units of the calorimeter trigger (muons: 4
            times as many, which is the same angle).
        masked: chance of each object to be missing in a view.
        rotated: turn each view by a random angle.
    """

    momentum_resolution: dict[str, float] = Field(default_factory=lambda: dict(_RESOLUTION))
    position_resolution: float = 1.0
    masked: float = 0.5
    rotated: bool = True


class Augmenter:
    """Makes views of rows of inputs."""

    def __init__(self, layout: LayoutName, settings: Augmentations) -> None:
        elements = named_elements(layout)
        self._momentum = momentum_inputs(layout)
        _, self._object = np.unique(self._momentum, return_inverse=True)
        self._n_objects = int(self._object.max()) + 1
        quantity = np.array([element.quantity for element in elements])
        steps = np.array([4.0 if element.object == _MUON else 1.0 for element in elements], np.float32)
        self._is_momentum = self._momentum == np.arange(len(elements))
        self._is_phi = quantity == "phi"
        relative = [settings.momentum_resolution.get(element.object, 0.0) for element in elements]
        self._relative = np.where(self._is_momentum, relative, 0.0).astype(np.float32)
        positions = ~self._is_momentum & np.array([place.field.bits > 0 for place in named_layout(layout).fields])
        self._absolute = np.where(positions, settings.position_resolution * steps, 0.0).astype(np.float32)
        self._turn = np.where(steps > 1, _MUON_PHI, _CALORIMETER_PHI).astype(np.float32)
        bounds = [place.field.allowed if place.field.bits else (0, 0) for place in named_layout(layout).fields]
        self._low, self._high = np.array(bounds, np.float32).T
        self._settings = settings

    def __call__(self, inputs: Any, seed: Any) -> Any:
        """A view of rows of inputs, hardware units, float32."""
        values = tf.cast(inputs, tf.float32)
        seeds = tf.random.experimental.stateless_split(seed, 3)
        shape = tf.shape(values)
        noise = tf.random.stateless_normal(shape, seeds[0])
        smeared = tf.round(values * (1.0 + self._relative * noise) + self._absolute * noise)
        least = tf.where(self._is_momentum, tf.ones_like(self._low), self._low)
        smeared = tf.clip_by_value(smeared, least, self._high)
        if self._settings.rotated:
            turns = tf.random.stateless_uniform((shape[0], 1), seeds[1])
            turned = tf.math.floormod(
                smeared + tf.round(turns * _CALORIMETER_PHI) * (self._turn / _CALORIMETER_PHI), self._turn
            )
            smeared = tf.where(self._is_phi, turned, smeared)
        there = tf.gather(values, self._momentum, axis=1) > 0
        kept = tf.random.stateless_uniform((shape[0], self._n_objects), seeds[2]) >= self._settings.masked
        return tf.where(tf.logical_and(there, tf.gather(kept, self._object, axis=1)), smeared, 0.0)
