"""Trains the demonstration version of AXOL1TL on synthetic crossings (`docs/models.md`, "Training").

    python -m models.training.synthetic_encoder --out models/versions/axol1tl/demo-v1

The folder's name is the version, its parent's name the model.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Final

import numpy as np
import yaml
from numpy.typing import NDArray

from models.backends import open_backend
from models.fixed_point import FixedPoint
from models.importing import network_files
from models.inputs import hardware_inputs
from models.layouts import LayoutName, named_layout
from models.manifest import MANIFEST_FILE, REFERENCE_FILE, Manifest, Training, render_manifest
from models.reference import reference_file
from models.repository import ALIASES_FILE, LoadedVersion
from models.scaling import InputScaling
from models.training.autoencoder import train_encoder
from models.training.calibration import COLLISION_RATE_HZ, score_histogram, working_points
from models.training.dense_layer import DenseLayer
from models.training.network_export import encoder_network
from triggers.errors import BadValue, FileExists, L1ChainError
from triggers.events.crossings import column_view
from triggers.events.source import Source
from triggers.events.synthetic import SyntheticSource

LAYOUT: Final[LayoutName] = "axol1tl-57"
UNSCALED: Final = FixedPoint.parse("ap_fixed<18,13>")
NETWORK_INPUT: Final = FixedPoint.parse("ap_fixed<8,6,AP_RND_CONV,AP_SAT>")
SCORE: Final = FixedPoint.parse("ap_ufixed<18,14,AP_TRN,AP_SAT>")
BACKEND: Final = "onnxruntime"
WORKING_POINTS_HZ: Final = {"vloose": 5000.0, "loose": 1000.0, "nominal": 500.0, "tight": 250.0, "vtight": 100.0}
N_REFERENCE: Final = 1000
BATCH_ROWS: Final = 1 << 16
LEAST_SPREAD: Final = 0.01
DESCRIPTION: Final = (
    "Variational autoencoder in the style of AXOL1TL (57-28-15-8), trained on synthetic crossings: for demonstrations"
    " and tests, not for physics."
)
PRECISION: Final = "bit-exact: every backend gives the integers of network.json's arithmetic, or refuses"
LIBRARIES: Final = ("keras", "tensorflow", "numpy", "onnxruntime")

log = logging.getLogger("l1chain.models.training")


@dataclass(frozen=True)
class Settings:
    """The numbers that a version is made with (`docs/models.md`, "Training")."""

    training_crossings: int = 2_000_000
    calibration_crossings: int = 40_000_000
    pileup: float = 60.0
    epochs: int = 12
    batch_rows: int = 1024
    learning_rate: float = 4e-3
    beta: float = 5e-4


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a version from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m models.training.synthetic_encoder",
        description="Trains and calibrates a demonstration encoder on synthetic crossings.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder NAME/VERSION to write")
    parser.add_argument("--replace", action="store_true", help="remove that folder first")
    parser.add_argument("--seed", type=int, default=1, help="of all random numbers")
    for name, default in asdict(Settings()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help="number")
    options = vars(parser.parse_args(arguments))
    out: Path = options.pop("out").resolve()
    replace, seed = options.pop("replace"), options.pop("seed")
    if out.exists() and not replace:
        raise FileExists(out)
    manifest = write_version(out, Settings(**options), seed)
    for name, point in manifest.working_points.items():
        log.info("%s: score ≥ %d, %.0f ± %.0f Hz", name, point.threshold, point.rate_hz, point.rate_error_hz)


def write_version(out: Path, settings: Settings, seed: int) -> Manifest:
    """Train, calibrate and write a version.

    Args:
        out: folder NAME/VERSION; replaced if it exists, and only when all is done.
        settings: the numbers.
        seed: of all random numbers; the calibration sample has the next one.

    Raises:
        BadValue: the backend does not give the scores of the layers that the network was made from.
    """
    source = SyntheticSource(settings.training_crossings, seed, settings.pileup)
    inputs = _inputs_of(source)
    scaling = robust_scaling(inputs)
    log.info("training on %d crossings", len(inputs))
    layers = train_encoder(
        scaling.apply(inputs),
        rarities(inputs),
        beta=settings.beta,
        epochs=settings.epochs,
        batch_rows=settings.batch_rows,
        learning_rate=settings.learning_rate,
        seed=seed,
    )
    reference = _reference_inputs(inputs, seed)
    scores = reference_scores(layers, scaling.apply(reference))
    network = encoder_network(f"{out.parent.name}/{out.name}", DESCRIPTION, LAYOUT, scaling, layers, SCORE)
    files = {**network_files(network), REFERENCE_FILE: reference_file(reference, scores)}
    manifest = Manifest(
        name=out.parent.name,
        version=out.name,
        description=DESCRIPTION,
        backend=BACKEND,
        precision=PRECISION,
        training=Training(
            script="models.training.synthetic_encoder",
            sample=source.info.name,
            settings=asdict(settings),
            seed=seed,
            libraries={name: installed_version(name) for name in LIBRARIES},
        ),
        files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    digest = hashlib.sha256(render_manifest(manifest).encode()).hexdigest()
    backend = open_backend(BACKEND, LoadedVersion(manifest=manifest, folder=out, digest=digest, files=files))
    if not np.array_equal(backend.score_inputs(reference), scores):
        raise BadValue(out, f"{BACKEND} does not give the scores of the layers", "report this as a fault")
    log.info("calibrating on %d crossings", settings.calibration_crossings)
    calibration = SyntheticSource(settings.calibration_crossings, seed + 1, settings.pileup)
    counts = score_histogram(backend, calibration, SCORE.code_range[1] + 1, BATCH_ROWS)
    sample = f"{calibration.info.name}, at {COLLISION_RATE_HZ / 1e6:.1f} MHz of collisions"
    manifest = manifest.model_copy(update={"working_points": working_points(counts, WORKING_POINTS_HZ, sample)})
    _write(out, {**files, MANIFEST_FILE: render_manifest(manifest).encode()})
    return manifest


def robust_scaling(inputs: NDArray[np.int16]) -> InputScaling:
    """Median and half of the central 68 % of each input, where its object is present, as offset and power of two."""
    offset, shift = [], []
    for i in range(inputs.shape[1]):
        present = inputs[inputs[:, i - i % 3] > 0, i]
        low, median, high = np.percentile(present, [16, 50, 84]) if len(present) else (0, 0, 0)
        offset.append(round(float(median)))
        shift.append(round(float(np.log2(max(high - low, 2) / 2))))
    return InputScaling(
        unscaled_type=UNSCALED, network_input_type=NETWORK_INPUT, offset=tuple(offset), shift=tuple(shift)
    )


def rarities(inputs: NDArray[np.int16]) -> NDArray[np.float32]:
    """How rare each object's momentum is, `(n, n_objects) float32`: what the autoencoder has to reconstruct.

    That is −log₁₀ of the part of crossings with at least that momentum, so that a hard jet and a second muon are
    compared by how often they occur and not by their energy; divided by the root of its spread, which favours rare
    objects a little.
    """
    columns = []
    for momenta in inputs[:, ::3].T:
        at_least = np.bincount(momenta)[::-1].cumsum()[::-1] / len(momenta)
        decades = -np.log10(at_least[momenta])
        columns.append((decades - decades.mean()) / np.sqrt(max(decades.std(), LEAST_SPREAD)))
    return np.stack(columns, axis=1).astype(np.float32)


def reference_scores(layers: Sequence[DenseLayer], network_inputs: NDArray[np.float32]) -> NDArray[np.int64]:
    """The score integers `(n,) int64` that the layers themselves give, in float64, which holds every sum exactly."""
    values = network_inputs.astype(np.float64)
    for layer in layers:
        values = layer.apply(values)
    scores = SCORE.quantise((values**2).sum(axis=1))
    return np.ldexp(scores, SCORE.fraction_bits).astype(np.int64)


def _inputs_of(source: Source) -> NDArray[np.int16]:
    layout = named_layout(LAYOUT)
    return np.concatenate(
        [
            hardware_inputs(layout, {name: column_view(batch.column(name)) for name in layout.columns})
            for batch in source.batches(BATCH_ROWS)
        ]
    )


def _reference_inputs(inputs: NDArray[np.int16], seed: int) -> NDArray[np.int16]:
    """Crossings of the sample, random numbers in the range of each input, and the ends of the ranges."""
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    random = np.random.default_rng(seed).integers(low, high, (N_REFERENCE, inputs.shape[1]), np.int16, endpoint=True)
    return np.concatenate([inputs[:N_REFERENCE], random, low[None], high[None]])


def _write(out: Path, files: dict[str, bytes]) -> None:
    """Write the folder as a whole, and let `production` point to it if the model has no aliases yet."""
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, content in files.items():
        (partial / name).write_bytes(content)
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
    aliases = out.parent / ALIASES_FILE
    if not aliases.exists():
        aliases.write_text(yaml.safe_dump({"production": out.name}))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        main()
    except L1ChainError as error:
        sys.exit(f"error: {error}")
