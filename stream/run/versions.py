"""Model versions as a run speaks of them."""

from __future__ import annotations

from models.repository import LoadedVersion
from stream.services.model_changes import RunVersion
from triggers.menu.conditions.score import score_condition
from triggers.menu.model import Menu, conditions_of


def run_version(version: LoadedVersion, backend: str) -> RunVersion:
    """What all services of a run need to know of a version.

    Raises:
        InputsInvalid: an input cannot be made of packed words.
        ModelError: the version's network is damaged.
    """
    manifest, histogram = version.manifest, version.manifest.histogram
    thresholds = {name: point.threshold for name, point in manifest.working_points.items()}
    edges, parts = ((), ()) if histogram is None else (histogram.edges, histogram.parts)
    columns = version.layout.columns
    return RunVersion(manifest.name, manifest.version, version.digest, backend, thresholds, edges, parts, columns)


def versions_named(menu: Menu, model: str) -> tuple[str, ...]:
    """The versions, or aliases, of a model that conditions of a menu name, in the menu's order."""
    found: dict[str, None] = {}
    for algorithm in menu.algorithms:
        for condition in conditions_of(algorithm.expression):
            wanted = score_condition(condition)
            if wanted is not None and wanted.score.replace("@", "/").startswith(f"{model}/"):
                found[wanted.score[len(model) + 1 :]] = None
    return tuple(found)
