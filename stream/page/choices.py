"""What may be chosen on the page: prescale columns, and the versions of the models of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.repository import open_repository
from triggers.decision.prescales import read_prescales
from triggers.errors import L1ChainError


def prescale_columns(config: Mapping[str, Any]) -> list[str]:
    """The columns of the run's prescale table; none without one, or if it is not there any more."""
    if config["prescales"] is None:
        return []
    try:
        return list(read_prescales(Path(config["prescales"]["path"])).columns)
    except L1ChainError:
        return []


def model_versions(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """The versions in the run's repository, by the models that it runs."""
    folder = config["models"]["repository"]
    repository = open_repository(Path(folder) if folder else None)
    found = {}
    for model in dict.fromkeys(section["name"] for section in config["scores"]):
        try:
            found[model] = list(repository.versions(model))
        except L1ChainError:
            found[model] = []
    return found
