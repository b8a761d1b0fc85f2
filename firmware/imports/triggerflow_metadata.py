"""What the metadata of a `triggerflow` 0.5 archive says (`docs/models-import.md`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from firmware.imports.errors import ArchiveUnsafe
from models.float_importing import FloatManifest

FOLDER: Final = "triggermodel"
METADATA_FILE: Final = "metadata.json"
MOST_NUMBERS: Final = 1 << 16
_LARGEST_METADATA: Final = 4 << 20
_INTEGER_SCALE: Final = 256
_SCORE_BITS: Final = 24
_OBJECTS: Final = {
    "muon": "muon", "mu": "muon", "jet": "jet", "tau": "tau", "egamma": "eg", "eg": "eg", "electron": "eg",
    "photon": "eg", "met": "met", "etmiss": "met", "et_miss": "met", "etm": "met", "mht": "mht", "htmiss": "mht",
    "methf": "methf", "etmhf": "methf", "ett": "ett", "et": "ett", "htt": "htt", "ht": "htt",
}  # fmt: skip
"""By tag, without its plural: the object."""
_QUANTITIES: Final = {"pt": "pt", "et": "pt", "eta": "eta", "phi": "phi"}


@dataclass(frozen=True)
class Metadata:
    """What `metadata.json` says.

    Attributes:
        name: of the model.
        maker: backend and compiler, for people.
        n_inputs: numbers given.
        n_outputs: numbers got.
        objects: of `config.deployment.inputs`: tag, how many, features; may be none.
        decision: of `config.deployment.decision`, for people.
    """

    name: str
    maker: str
    n_inputs: int
    n_outputs: int
    objects: tuple[tuple[str, int, tuple[str, ...]], ...]
    decision: str


def read_metadata(path: Path, files: Mapping[str, bytes]) -> Metadata:
    """The metadata of an archive.

    Raises:
        ArchiveUnsafe: there is none, or it is not as triggerflow 0.5 writes it, or contradicts itself.
    """
    name = f"{FOLDER}/{METADATA_FILE}"
    content = files.get(name)
    if content is None or len(content) > _LARGEST_METADATA:
        raise ArchiveUnsafe(path, f"holds no {name}", "name an archive that triggerflow 0.5 wrote")
    try:
        data = json.loads(content)
        counts = int(data["n_inputs"]), int(data["n_outputs"])
        deployment = (data.get("config") or {}).get("deployment") or {}
        objects = tuple(
            (str(entry["tag"]), int(entry["n_objects"]), tuple(str(feature) for feature in entry["features"]))
            for entry in deployment.get("inputs") or ()
        )
        decision = deployment.get("decision") or {}
        threshold = f"; its threshold is {float(decision['threshold']):g}" if "threshold" in decision else ""
        label, maker = str(data["name"]), f"{data.get('ml_backend')}, {data.get('compiler')}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"{name} is not as triggerflow 0.5 writes it ({type(error).__name__}: {str(error)[:80]})"
        raise ArchiveUnsafe(path, what) from None
    if not all(0 < count <= MOST_NUMBERS for count in counts) or not 0 < len(label) <= 200:
        raise ArchiveUnsafe(path, f"{name} states {counts[0]} inputs and {counts[1]} outputs of '{label[:40]}'")
    listed = sum(max(n, 0) * len(features) for _, n, features in objects)
    if objects and listed != counts[0]:
        raise ArchiveUnsafe(path, f"{name} states {counts[0]} inputs, and its deployment lists {listed}")
    return Metadata(label, maker[:100], *counts, objects, threshold)


def default_manifest(path: Path, metadata: Metadata) -> FloatManifest:
    """Inputs as the metadata names them, where its names are known; the one output as score.

    Raises:
        ArchiveUnsafe: there is more than one output.
    """
    if metadata.n_outputs != 1:
        what = f"gives {metadata.n_outputs} numbers"
        raise ArchiveUnsafe(path, what, "say in a file named with --manifest how they become the score")
    return FloatManifest.model_validate(
        {
            "inputs": {"elements": _elements(metadata), "float_scaling": {}},
            "score": {"kind": "output", "integer_scale": _INTEGER_SCALE, "bits": _SCORE_BITS},
        }
    )


def _elements(metadata: Metadata) -> list[dict[str, Any]]:
    known: list[dict[str, Any]] = []
    for tag, n, features in metadata.objects:
        name = _OBJECTS.get(tag.lower()) or _OBJECTS.get(tag.lower().removesuffix("s"))
        for rank in range(n):
            for feature in features:
                quantity = _QUANTITIES.get(feature.lower())
                if name is None or quantity is None:
                    return _unknown(metadata.n_inputs)
                known.append({"object": name, "rank": rank, "quantity": quantity, "unit": "hw"})
    return known or _unknown(metadata.n_inputs)


def _unknown(n: int) -> list[dict[str, Any]]:
    return [{"object": "input", "rank": rank, "quantity": "value", "unit": "1"} for rank in range(n)]
