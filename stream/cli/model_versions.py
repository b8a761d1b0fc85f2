"""`l1chain models verify|alias|remove`: what changes or checks a repository."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.output import JsonOption

if TYPE_CHECKING:
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


def verify(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME/VERSION]...", help="Versions. [default: all]")
    ] = None,
    backend: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Backends to compare. [default: all installed]")
    ] = None,
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
        print_outcomes(rows)
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


def print_outcomes(rows: list[dict[str, Any]]) -> None:
    """How backends compared: a row has `model`, `backend`, `crossings`, `differing`, `why_not`."""
    from rich.table import Table

    from stream.cli.output import console

    table = Table("version", "backend", "reference scores")
    for row in rows:
        found = row["why_not"] or f"{row['differing']} of {row['crossings']} differ"
        table.add_row(row["model"], row["backend"], found)
    console().print(table)
