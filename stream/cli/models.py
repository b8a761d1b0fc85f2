"""`l1chain models`: the versions of anomaly-detection models, and their scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.output import JsonOption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.manifest import Manifest
    from models.repository import Repository

app = typer.Typer(no_args_is_help=True, help="List, show and run versions of anomaly-detection models.")

RepositoryOption = Annotated[
    Path | None, typer.Option("--repository", help="Folder of NAME/VERSION/ folders. [default: the shipped versions]")
]


@app.command("list")
def list_versions(repository: RepositoryOption = None, as_json: JsonOption = False) -> None:
    """List the versions of a repository, with the aliases that point to them."""
    from stream.cli.output import console, print_json

    opened = _repository(repository)
    versions = [_summary(manifest, opened) for manifest in opened.list()]
    if as_json:
        print_json({"repository": str(opened.folder), "versions": versions})
        return
    from rich.table import Table

    table = Table("version", "aliases", "inputs", "backend", "working points")
    for entry in versions:
        table.add_row(
            f"{entry['name']}/{entry['version']}",
            ", ".join(entry["aliases"]),
            entry["layout"],
            entry["backend"],
            ", ".join(entry["working_points"]),
        )
    console().print(table)


@app.command("show")
def show(
    model: Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="A version, an alias, or a whole model.")],
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the manifest of a version states, or of every version of a model."""
    from models.repository import parse_label
    from stream.cli.output import print_json

    opened = _repository(repository)
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
    model: Annotated[str, typer.Argument(metavar="NAME/VERSION", help="A version, or an alias instead of a version.")],
    inputs: Annotated[Path, typer.Option(help="NPZ file with an array 'inputs' (n, n_inputs), in hardware units.")],
    out: Annotated[Path, typer.Option(help="NPZ file to write: an array 'score' (n,) int64, the menu's integers.")],
    backend: Annotated[str | None, typer.Option(help="Backend. [default: the manifest's]")] = None,
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score network inputs with a version, as a menu sees it."""
    import numpy as np

    from models.backends import open_backend
    from models.repository import parse_label
    from stream.cli.output import console, print_json
    from triggers.errors import FileExists

    version = _repository(repository).load(*parse_label(model))
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
        console().print(f"{len(scores):,} scores of {version.label} by {used} written to {out}")


def _repository(folder: Path | None) -> Repository:
    from models.repository import Repository

    return Repository() if folder is None else Repository(folder)


def _aliases_of(manifest: Manifest, repository: Repository) -> list[str]:
    return [alias for alias, version in repository.aliases(manifest.name).items() if version == manifest.version]


def _summary(manifest: Manifest, repository: Repository) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "version": manifest.version,
        "aliases": _aliases_of(manifest, repository),
        "layout": str(manifest.inputs.layout),
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
    facts.add_row("inputs", f"{manifest.inputs.layout}, {manifest.inputs.scaling.network_input_type}")
    facts.add_row("backend", manifest.backend)
    facts.add_row("precision", manifest.precision)
    facts.add_row("score", f"{manifest.score.kind} × {manifest.score.integer_scale}, {manifest.score.bits} bits")
    facts.add_row("made by", f"{manifest.training.script}, seed {manifest.training.seed}")
    facts.add_row("trained on", manifest.training.sample)
    out.print(facts)
    points = Table("working point", "score at least", "rate [Hz]", "calibrated on")
    for name, point in manifest.working_points.items():
        rate = f"{point.rate_hz:,.0f} ± {point.rate_error_hz:,.0f}"
        points.add_row(name, str(point.threshold), rate, point.calibrated_on)
    out.print(points)


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
            if "inputs" not in arrays:
                raise InputsInvalid(path, f"arrays {', '.join(arrays) or '(none)'}", "an array 'inputs'")
            values: NDArray[np.generic] = arrays["inputs"]
            return values
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FileUnreadable(path, f"no NPZ file of numbers ({error})", "write it with numpy.savez") from None
