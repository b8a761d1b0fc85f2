"""`l1chain models import|verify|alias|remove`: what changes or checks a repository."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.output import JsonOption

if TYPE_CHECKING:
    from models.manifest import WorkingPoint
    from models.repository import LoadedVersion, Repository

RepositoryOption = Annotated[
    Path | None,
    typer.Option(
        "--repository",
        help="Folder of NAME/VERSION/ folders. [default: yours, then the versions that ship]",
    ),
]
LabelArgument = Annotated[
    str, typer.Argument(metavar="NAME/VERSION", help="A version, or an alias instead of a version.")
]
_DIFFERING_EXIT = 1
_DAMAGED_EXIT = 2


def import_version(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Network description, JSON.")],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    version: Annotated[str, typer.Option(help="Name of the new version.")],
    repository: RepositoryOption = None,
    description: Annotated[str | None, typer.Option(help="For people. [default: the network's name and note]")] = None,
    working_point: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=THRESHOLD:RATE_HZ", help="A threshold and the rate it gives; any number of times."),
    ] = None,
    calibrated_on: Annotated[str, typer.Option(help="The crossings that the rates are of.")] = "not stated",
    as_json: JsonOption = False,
) -> None:
    """Make a version of a network description, and compare the backends on reference inputs."""
    from models.importing import import_network
    from models.repository import open_repository
    from stream.cli.output import console, print_json

    points = dict(_working_point(text, calibrated_on) for text in working_point or [])
    made = import_network(path, open_repository(repository, make=True), name, version, description, points)
    label = f"{name}/{version}"
    rows = [
        {"backend": o.backend, "crossings": o.crossings, "differing": o.differing, "why_not": o.why_not}
        for o in made.outcomes
    ]
    if as_json:
        print_json({"model": label, "folder": str(made.folder), "backend": made.manifest.backend, "compared": rows})
        return
    out = console()
    out.print(f"{label} written to {made.folder}, to be run by {made.manifest.backend}", soft_wrap=True)
    _print_outcomes([{"model": label, **row} for row in rows])


def verify(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME/VERSION]...", help="Versions. [default: all]")
    ] = None,
    backend: Annotated[list[str] | None, typer.Option(help="Backends to compare. [default: all installed]")] = None,
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check digests, and that every backend gives the reference scores; exit code 1 if one does not."""
    from models.backends import backend_names
    from models.repository import open_repository, parse_label
    from stream.cli.output import print_json
    from triggers.errors import L1ChainError

    opened = open_repository(repository)
    labels = [parse_label(label) for label in models] if models else _all_labels(opened)
    rows: list[dict[str, Any]] = []
    damaged: list[str] = []
    for label in labels:
        try:
            rows += _verified(opened.load(*label), backend or list(backend_names()))
        except L1ChainError as error:
            damaged.append(str(error))
    if as_json:
        print_json({"repository": str(opened.folder), "compared": rows, "damaged": damaged})
    else:
        _print_outcomes(rows)
    for sentence in damaged:
        sys.stderr.write(f"error: {sentence}\n")
    if damaged:
        raise typer.Exit(_DAMAGED_EXIT)
    if any(row["differing"] for row in rows):
        raise typer.Exit(_DIFFERING_EXIT)


def alias(
    name: Annotated[str, typer.Argument(help="The model.")],
    alias: Annotated[str, typer.Argument(help="Such as production or candidate.")],
    version: Annotated[str | None, typer.Argument(help="The version that it shall mean.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the alias instead.")] = False,
    repository: RepositoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an alias mean a version from now on."""
    from models.repository import open_repository
    from models.repository_changes import remove_alias, set_alias
    from stream.cli.output import console, print_json
    from triggers.errors import BadValue

    if (version is None) != remove:
        raise BadValue(f"alias '{alias}'", "needs a version or --remove, and not both", "state one of them")
    opened = open_repository(repository)
    if version is None:
        remove_alias(opened, name, alias)
    else:
        set_alias(opened, name, alias, version)
    aliases = dict(opened.aliases(name))
    if as_json:
        print_json({"model": name, "aliases": aliases})
    else:
        lines = [f"{name}/{key} is {value}" for key, value in aliases.items()]
        console().print("\n".join(lines) or f"{name} has no aliases", soft_wrap=True)


def remove(model: LabelArgument, repository: RepositoryOption = None, as_json: JsonOption = False) -> None:
    """Remove a version that no alias points to."""
    from models.repository import open_repository, parse_label
    from models.repository_changes import remove_version
    from stream.cli.output import console, print_json

    folder = remove_version(open_repository(repository), *parse_label(model))
    if as_json:
        print_json({"model": model, "removed": str(folder)})
    else:
        console().print(f"{model} removed from {folder.parent.parent}", soft_wrap=True)


def _working_point(text: str, calibrated_on: str) -> tuple[str, WorkingPoint]:
    from models.manifest import WorkingPoint
    from models.repository_changes import check_name
    from triggers.errors import BadValue
    from triggers.strict_yaml import validated

    where = f"--working-point {text}"
    name, _, numbers = text.partition("=")
    threshold, _, rate_hz = numbers.partition(":")
    try:
        stated = {"threshold": int(threshold), "rate_hz": float(rate_hz), "calibrated_on": calibrated_on}
    except ValueError:
        raise BadValue(where, "is not of the form NAME=THRESHOLD:RATE_HZ", "write e.g. nominal=700:500") from None
    check_name("working point", name)
    return name, validated(stated, where, WorkingPoint)


def _all_labels(repository: Repository) -> list[tuple[str, str]]:
    return [(name, version) for name in repository.names() for version in repository.versions(name)]


def _verified(version: LoadedVersion, backends: list[str]) -> list[dict[str, Any]]:
    from models.comparison import compare

    return [
        {
            "model": version.label,
            "backend": outcome.backend,
            "crossings": outcome.crossings,
            "differing": outcome.differing,
            "why_not": outcome.why_not,
        }
        for outcome in compare(version, *version.reference(), backends)
    ]


def _print_outcomes(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from stream.cli.output import console

    table = Table("version", "backend", "reference scores")
    for row in rows:
        found = row["why_not"] or f"{row['differing']} of {row['crossings']} differ"
        table.add_row(row["model"], row["backend"], found)
    console().print(table)
