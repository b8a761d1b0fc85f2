"""The systems that can be trained, one file each (`docs/training.md`, "Systems")."""

from models.training.recipe import Recipe
from models.zoo.registry import TrainingConfig, load_config, names, recipe

__all__ = ["Recipe", "TrainingConfig", "load_config", "names", "recipe"]
