"""`l1chain models`: the versions of anomaly-detection models, and their scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli import (
    model_imports,
    model_versions,
    models_calibrate,
    models_evaluate,
    models_published,
    models_retrain,
    models_scan_bits,
    models_train,
    models_tune,
)
from stream.cli.model_versions import LabelArgument, RepositoryOption
from stream.cli.output import JsonOption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.manifest import Manifest
    from models.repository import Repository

app = typer.Typer(no_args_is_help=True, help="List, show, run, import and check versions of anomaly-detection models.")
app.command("import")(model_imports.import_version)
app.command("train")(models_train.train)
app.command("calibrate")(models_calibrate.calibrate)
app.command("evaluate")(models_evaluate.evaluate)
app.command("retrain")(models_retrain.retrain)
app.command("tune")(models_tune.tune)
app.command("scan-bits")(models_scan_bits.scan_bits)
app.command("compare-published")(models_published.compare_published)
app.command("verify")(model_versions.verify)
app.command("alias")(model_versions.alias)
app.command("remove")(model_versions.remove)


@app.command("list")
def list_versions(repository: RepositoryOption = None, as_json: JsonOption = False) -> None:
    """List the versions of a repository, a line each, with the aliases that point to them; `models show` tells all."""
    from models.repository import open_repository
    from stream.cli.output import console, print_json

    opened = open_repository(repository)
    versions = [_summary(manifest, opened) for manifest in opened.list()]
    if as_json:
        print_json({"repository": str(opened.folder), "versions": versions})
        return
    from rich.table import Column, Table

    names = [Column(name, no_wrap=True) for name in ("version", "aliases", "backend")]
    description = Column("description", no_wrap=True, overflow="ellipsis", ratio=1)
    table = Table(*names, "working points", description, box=None, pad_edge=False, expand=True)
    for entry in versions:
        table.add_row(
            f"{entry['name']}/{entry['version']}",
            ", ".join(entry["aliases"]),
            entry["backend"],
            str(len(entry["working_points"])),
            entry["description"],
        )
    console().print(table)


@app.command("show")
def show(
    model: Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="A version, an alias, or a whole model.")],
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the manifest of a version states, or of every version of a model."""
    from models.repository import open_repository, parse_label
    from stream.cli.output import print_json

    opened = open_repository(repository)
    labels = [parse_label(model)] if "/" in model else [(model, version) for version in opened.versions(model)]
    manifests = [opened.show(*label) for label in labels]
    if as_json:
        print_json(
            {
                "repository": str(opened.folder),
                "versions": [
                    {**manifest.model_dump(mode="json"), "aliases": _aliases_of(manifest, opened)}
                    for manifest in manifests
                ],
            }
        )
        return
    for manifest in manifests:
        _print_manifest(manifest, _aliases_of(manifest, opened))


@app.command("score")
def score(
    model: LabelArgument,
    inputs: Annotated[Path, typer.Option(help="NPZ file: array 'inputs' or 'regions' (n, n_inputs), hardware units.")],
    out: Annotated[Path, typer.Option(help="NPZ file to write: an array 'score' (n,) int64, the menu's integers.")],
    backend: Annotated[str | None, typer.Option(help="Backend. [default: the manifest's]")] = None,
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score network inputs with a version, as a menu sees it."""
    import numpy as np

    from models.backends import open_backend
    from models.repository import open_repository, parse_label
    from stream.cli.output import console, print_json
    from triggers.errors import FileExists

    version = open_repository(repository).load(*parse_label(model))
    used = backend or version.manifest.backend
    engine = open_backend(used, version)
    values = _read_inputs(inputs)
    if out.exists():
        raise FileExists(out)
    scores = engine.score_inputs(values)
    with out.open("xb") as file:
        np.savez(file, score=scores)
    result = {"model": version.label, "backend": used, "n": len(scores), "out": str(out)}
    if as_json:
        print_json(result)
    else:
        console().print(f"{len(scores):,} scores of {version.label} by {used} written to {out}", soft_wrap=True)


def _aliases_of(manifest: Manifest, repository: Repository) -> list[str]:
    return [alias for alias, version in repository.aliases(manifest.name).items() if version == manifest.version]


def _summary(manifest: Manifest, repository: Repository) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "version": manifest.version,
        "aliases": _aliases_of(manifest, repository),
        "description": manifest.description,
        "backend": manifest.backend,
        "working_points": {name: point.threshold for name, point in manifest.working_points.items()},
    }


def _print_manifest(manifest: Manifest, aliases: list[str]) -> None:
    from rich.table import Table

    from stream.cli.output import console

    out = console()
    out.print(f"[bold]{manifest.name}/{manifest.version}[/]  {', '.join(aliases)}")
    out.print(manifest.description)
    facts = Table.grid(padding=(0, 2))
    facts.add_row("backend", manifest.backend)
    facts.add_row("precision", manifest.precision)
    for what, stated in _facts(manifest):
        facts.add_row(what, stated)
    out.print(facts)
    if not manifest.working_points:
        return
    points = Table("working point", "score at least", "rate [Hz]", "calibrated on")
    for name, point in manifest.working_points.items():
        error = "" if point.rate_error_hz is None else f" ± {point.rate_error_hz:,.0f}"
        points.add_row(name, str(point.threshold), f"{point.rate_hz:,.0f}{error}", point.calibrated_on)
    out.print(points)


def _facts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What only some versions state."""
    if manifest.inputs is not None:
        kind = "float32" if manifest.inputs.scaling is None else str(manifest.inputs.scaling.network_input_type)
        yield "inputs", f"{manifest.inputs.layout or f'{len(manifest.inputs.listed)} stated one by one'}, {kind}"
    if manifest.score is not None:
        yield "score", f"{manifest.score.kind} × {manifest.score.integer_scale}, {manifest.score.bits} bits"
    if manifest.native is not None:
        native = manifest.native
        layout = native.layout or f"{native.n_inputs} of which nothing is known"
        yield "native code", f"inputs {layout}, {native.input_type}; score {native.score_type}"
    if manifest.left_out is not None:
        yield "no description", manifest.left_out
    if manifest.tolerance:
        yield "tolerance", f"{manifest.tolerance} of the menu's integers"
    if manifest.training is not None:
        yield "made by", f"{manifest.training.script}, seed {manifest.training.seed}"
        yield "trained on", manifest.training.sample
    if manifest.imported is not None:
        yield "imported from", f"{manifest.imported.file}, SHA-256 {manifest.imported.sha256[:12]}…"
    for backend, found in manifest.compared.items():
        yield f"{backend} at import", f"{found.differing} of {found.crossings} scores differ"


def _read_inputs(path: Path) -> NDArray[np.generic]:
    import zipfile
    import zlib

    import numpy as np

    from models.errors import InputsInvalid
    from triggers.errors import FileMissing, FileUnreadable

    if not path.is_file():
        raise FileMissing(path, "file of inputs")
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise InputsInvalid(path, "a single array", "an NPZ file with an array 'inputs'")
            names = [name for name in ("inputs", "regions") if name in arrays]
            if len(names) != 1:
                raise InputsInvalid(path, f"arrays {', '.join(arrays) or '(none)'}", "one array 'inputs' or 'regions'")
            values: NDArray[np.generic] = arrays[names[0]]
            return values.reshape(len(values), -1) if names == ["regions"] and values.ndim == 3 else values
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FileUnreadable(path, f"no NPZ file of numbers ({error})", "write it with numpy.savez") from None
