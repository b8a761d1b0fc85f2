"""`l1chain events show`: single crossings in words, by number, by a model's score, by a seed that fires."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.event_source import (
    Format,
    Pileup,
    Seed,
    Sources,
    Synthetic,
    loaded_menu,
    opened_source,
    progress,
)
from stream.cli.output import JsonOption, print_json

if TYPE_CHECKING:
    from models.repository import LoadedVersion, Repository
    from stream.run.browse import PickedCrossing
    from triggers.events.source import Source

_ROWS = 16_384
_SCORE = "score:"
_PRODUCTION = "production"


def show(
    sources: Sources = None,
    crossing: Annotated[int, typer.Option(min=0, help="The first crossing to show, counted from 0.")] = 0,
    first: Annotated[int, typer.Option(min=1, help="How many crossings to show.")] = 1,
    top: Annotated[
        str | None,
        typer.Option(
            metavar="score:NAME[/VERSION]", help="The crossings with the highest score of a model, instead of numbers."
        ),
    ] = None,
    fired: Annotated[
        str | None, typer.Option(metavar="SEED", help="Crossings in which a seed of --menu fires, from --crossing on.")
    ] = None,
    menu: Annotated[str | None, typer.Option(metavar="MENU", help="Trigger menu of --fired.")] = None,
    models: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of model versions. [default: yours, then the shipped ones]"),
    ] = None,
    format_: Format = None,
    synthetic: Synthetic = None,
    seed: Seed = 1,
    pileup: Pileup = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Print crossings in physical units: objects, sums, external channels, expected algorithms.

    Energies are lower bin edges, which thresholds compare; eta and phi are bin centres.
    """
    from triggers.errors import BadValue

    if top is not None and fired is not None:
        raise BadValue("--top", "does not go with --fired", "give one of them")
    if fired is not None and menu is None:
        raise BadValue("--fired", "needs a menu to find the seed in", "name it with --menu")
    if top is not None and crossing:
        raise BadValue("--top", "does not go with --crossing: all crossings are ranked", "leave one of them out")
    source = opened_source(sources, format_, synthetic, seed, pileup, loaded_menu(menu))
    if top is not None:
        picked = _highest(source, top, models, first)
    elif fired is not None and menu is not None:
        picked = _fired(source, fired, menu, models, crossing, first)
    else:
        picked = _numbered(source, crossing, first)
    _print(picked, top or "", as_json)


def _numbered(source: Source, crossing: int, first: int) -> list[PickedCrossing]:
    from stream.run.browse import PickedCrossing, decided_crossings
    from triggers.errors import BadValue

    picked = [
        PickedCrossing(crossing + k, row)
        for k, row in enumerate(islice(decided_crossings(source), crossing, crossing + first))
    ]
    if not picked:
        n = source.info.n_crossings
        n = sum(1 for _ in decided_crossings(source)) if n is None else n
        raise BadValue(source.info.name, f"there is no crossing {crossing}", f"choose one from 0 to {n - 1}")
    return picked


def _highest(source: Source, top: str, models: Path | None, first: int) -> list[PickedCrossing]:
    from models.repository import open_repository
    from stream.run.browse import highest_scores
    from triggers.errors import BadValue

    if not top.startswith(_SCORE) or top == _SCORE:
        raise BadValue("--top", f"'{top}' names no score", "write score:NAME or score:NAME/VERSION")
    version = _version(open_repository(models), top.removeprefix(_SCORE))
    with progress("scoring", source.info.n_crossings) as advance:
        return highest_scores(source, version, first, advance)


def _version(repository: Repository, model: str) -> LoadedVersion:
    """The version of NAME/VERSION; of NAME alone, the production version or the only one."""
    from triggers.errors import BadValue

    name, _, version = model.replace("@", "/").partition("/")
    if not version:
        versions = repository.versions(name)
        if _PRODUCTION in repository.aliases(name):
            version = _PRODUCTION
        elif len(versions) == 1:
            version = next(iter(versions))
        else:
            raise BadValue("--top", f"'{name}' has several versions", f"choose one: {', '.join(versions)}")
    return repository.load(name, version)


def _fired(
    source: Source, fired: str, menu: str, models: Path | None, crossing: int, first: int
) -> list[PickedCrossing]:
    from models.repository import open_repository
    from stream.cli.menu_files import algorithm_of
    from stream.run.browse import fired_crossings
    from stream.run.offline import OfflineMenu
    from triggers.errors import BadValue
    from triggers.menu.load import load_menu

    loaded = load_menu(menu)
    algorithm = algorithm_of(loaded, fired)
    offline = OfflineMenu(loaded, open_repository(models))
    with progress("evaluating", source.info.n_crossings) as advance:
        found = fired_crossings(source, offline, algorithm, advance)
        picked = list(islice((c for c in found if c.number >= crossing), first))
    if not picked:
        what = f"'{fired}' fires in no crossing from {crossing} on"
        raise BadValue(source.info.name, what, "choose another seed or source")
    return picked


def _print(picked: Iterable[PickedCrossing], score: str, as_json: bool) -> None:
    from triggers.events.show import crossing_record, crossing_text

    records: list[dict[str, Any]] = []
    for found in picked:
        ranked = {} if found.score is None else {"score": found.score}
        records.append({"number": found.number, **ranked, **crossing_record(found.row, 0)})
    if as_json:
        print_json({"crossings": records})
        return
    for record in records:
        if "score" in record:
            typer.echo(f"{score} = {record['score']}")
        typer.echo(crossing_text(record, record["number"]), nl=False)
