"""Systems by name, and training configurations in YAML (`docs/training.md`, "Configuration")."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import Field

from models.training.errors import ExtraMissing
from models.training.recipe import Recipe
from models.training.settings import TrainingSettings
from models.training.tensorflow_loading import load_tensorflow
from triggers.errors import UnknownName
from triggers.shipped import find_file
from triggers.strict_yaml import StrictModel, read_yaml, validated

_SYSTEMS: Final = {
    "axol1tl_v4": ("axol1tl_v4", "Axol1tlV4"),
    "axol1tl_gmm": ("axol1tl_gmm", "Axol1tlGmm"),
    "axol1tl_v5": ("axol1tl_v5", "Axol1tlV5"),
    "cicada": ("cicada", "Cicada"),
    "gelato_l1": ("gelato", "GelatoL1"),
    "gelato_hlt": ("gelato", "GelatoHlt"),
    "adc2021_dense_ae": ("adc2021", "DenseAutoencoder"),
    "adc2021_dense_vae": ("adc2021", "DenseVae"),
    "adc2021_conv_ae": ("adc2021", "ConvAutoencoder"),
    "adc2021_conv_vae": ("adc2021", "ConvVae"),
}
"""File and class of each system; a file is loaded, and TensorFlow with it, when its system is asked for."""


class TrainingConfig(StrictModel):
    """A training configuration: what makes a version again.

    Attributes:
        system: name in the zoo.
        recipe: what is varied of it.
        settings: of the training.
    """

    system: str
    recipe: Mapping[str, Any] = Field(default_factory=dict)
    settings: TrainingSettings = TrainingSettings()


def names() -> tuple[str, ...]:
    """The systems that can be trained."""
    return tuple(_SYSTEMS)


def recipe(name: str, changes: Mapping[str, Any] = MappingProxyType({})) -> Recipe:
    """A system, with the architecture and loss that it is known for unless changed.

    Args:
        name: one of `names()`.
        changes: fields of its recipe.

    Raises:
        UnknownName: there is no such system or field.
        BadValue: a field cannot have that value.
        ExtraMissing: TensorFlow is not installed.

    Example:
        >>> recipe("axol1tl_v5").layout  # doctest: +SKIP
        'axol1tl-57'
    """
    if name not in _SYSTEMS:
        raise UnknownName("zoo", "system", name, _SYSTEMS)
    file, class_name = _SYSTEMS[name]
    try:
        load_tensorflow()
        kind: type[Recipe] = getattr(importlib.import_module(f"models.zoo.{file}"), class_name)
    except ModuleNotFoundError as error:
        raise ExtraMissing(f"training of {name}", error.name or "tensorflow") from None
    return validated(dict(changes), f"recipe {name}", kind)


def load_config(path: str | Path) -> TrainingConfig:
    """Read a training configuration.

    Args:
        path: a file; `shipped:training/axol1tl_v5.yaml` names one that ships.

    Raises:
        FileMissing, FileUnreadable, UnknownName, BadValue: as `triggers.strict_yaml.read_yaml`.
    """
    file = find_file(path, role="training configuration")
    return read_yaml(file.read_bytes(), str(path), TrainingConfig)
