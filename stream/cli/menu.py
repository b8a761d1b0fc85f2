"""`l1chain menu`: what a menu does to crossings; the commands about menu files alone are in `menu_files`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli import menu_files
from stream.cli.event_source import EVENT_FILES
from stream.cli.manual import ending
from stream.cli.output import JsonOption, print_json, progress_bar

if TYPE_CHECKING:
    from stream.run.offline import OfflineMenu
    from triggers.events.source import Source
    from triggers.menu.verify import BitComparison, Example, Mismatch

DIFFERENCES_EXIT = 1
_SHOWN_REASONS = 10

app = typer.Typer(
    no_args_is_help=True,
    help="Trigger menus: evaluate, verify, explain, show, check, compare, convert.",
    epilog=ending(
        "l1chain menu show shipped:menus/demo.yaml L1_SingleMu22",
        "l1chain menu convert L1Menu_Collisions2024_v1_2_0.xml --out menu.yaml",
        "l1chain menu diff old.xml new.yaml",
        "l1chain menu explain menu.yaml L1_SingleMu22 zero-bias.parquet --crossing 12",
        page="menu-commands.md",
    ),
)
app.command()(menu_files.show)
app.command()(menu_files.check)
app.command()(menu_files.diff)
app.command()(menu_files.convert)

MenuArgument = Annotated[
    str, typer.Argument(metavar="MENU", help="Menu: CMS XML (.xml, .xml.gz) or YAML; `shipped:menus/demo.yaml`.")
]
Sources = Annotated[
    list[str],
    typer.Argument(metavar="SOURCE...", help=EVENT_FILES),
]
Models = Annotated[
    Path | None,
    typer.Option(
        "--models", metavar="DIR", help="Folder of model versions for scores. [default: yours, then the shipped ones]"
    ),
]
Phi = Annotated[
    str,
    typer.Option(
        "--axol1tl-muon-phi",
        metavar="vertex|raw",
        help="Which muon phi AXOL1TL takes: vertex is the firmware's, raw the CMS emulator's of v4 in 2024.",
    ),
]


@app.command()
def evaluate(
    menu: MenuArgument,
    sources: Sources,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.parquet", help="The file to write.")],
    models: Models = None,
    axol1tl_muon_phi: Phi = "vertex",
    as_json: JsonOption = False,
) -> None:
    """Write the algorithm bits of every crossing; the file appears when it is complete."""
    from stream.run.bits_file import write_bits
    from triggers.errors import FileExists

    if out.exists():
        raise FileExists(out)
    offline, source = _opened(menu, sources, models, axol1tl_muon_phi)
    with _progress(source) as advance:
        n_crossings, n_fired = write_bits(out, offline, source, advance)
    evaluator = offline.evaluator
    fired = {algorithm.name: int(n_fired[algorithm.index]) for algorithm in evaluator.evaluated}
    _tell_not_evaluated(evaluator.not_evaluated)
    if as_json:
        print_json(
            {
                "out": str(out),
                "crossings": n_crossings,
                "evaluated": len(evaluator.evaluated),
                "scores": offline.scores.versions,
                "fired": fired,
                "not_evaluated": dict(evaluator.not_evaluated),
            }
        )
    else:
        n_firing = sum(1 for n in fired.values() if n)
        typer.echo(f"wrote {out}: {n_crossings:,} crossings, {len(fired)} algorithms, of which {n_firing} fire")


@app.command()
def verify(
    menu: MenuArgument,
    sources: Sources,
    models: Models = None,
    axol1tl_muon_phi: Phi = "vertex",
    first: Annotated[int, typer.Option(min=0, help="How many differing crossings to show of each algorithm.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Compare a menu's bits with those that the source knows; exit code 0 if none differs, else 1."""
    from stream.run.offline import decided_rows
    from triggers.errors import BadValue
    from triggers.menu.verify import BitComparison

    offline, source = _opened(menu, sources, models, axol1tl_muon_phi)
    if "expected" not in source.info.optional_columns:
        what = "the source does not know which algorithms fire (column 'expected')"
        raise BadValue(source.info.name, what, "name one that does, such as a test vector")
    comparison = BitComparison(offline.menu, offline.evaluator.evaluated, first)
    with _progress(source) as advance:
        for part in offline.blocks(source):
            comparison.add(part.block.rows, decided_rows(part.block), part.bits)
            advance(part.block.crossings)
    if as_json:
        print_json(_verification(comparison, offline.evaluator.not_evaluated))
    else:
        typer.echo("\n".join(_verification_lines(comparison)))
        _tell_not_evaluated(offline.evaluator.not_evaluated)
    if comparison.mismatches():
        raise typer.Exit(DIFFERENCES_EXIT)


@app.command()
def explain(
    menu: MenuArgument,
    seed: Annotated[str, typer.Argument(metavar="SEED", help="Name of the algorithm.")],
    sources: Sources,
    crossing: Annotated[int, typer.Option(min=0, help="Number of the crossing in the source, from 0.")],
    models: Models = None,
    axol1tl_muon_phi: Phi = "vertex",
    as_json: JsonOption = False,
) -> None:
    """Say why a seed fires in a crossing or does not: which object fails which cut, and by how much.

    Values are in physical units, with the hardware's integers in brackets.
    """
    from dataclasses import asdict

    from stream.cli.menu_files import algorithm_of
    from stream.run.offline import crossing_with_neighbours
    from triggers.menu import explain as reasons

    offline, source = _opened(menu, sources, models, axol1tl_muon_phi)
    algorithm = algorithm_of(offline.menu, seed)
    rows, row = crossing_with_neighbours(source, crossing)
    scores, thresholds = offline.scores.of_rows(rows), offline.scores.thresholds
    node = reasons.explain(offline.menu, algorithm, rows, row, scores, thresholds)
    time = {name: rows.column(name)[row].as_py() for name in ("run", "lumi_section", "orbit", "bx", "event")}
    if as_json:
        seed_of = {"algorithm": algorithm.name, "index": algorithm.index, "expression": algorithm.text}
        print_json({**seed_of, "crossing": crossing, **time, "fires": node.value, "tree": asdict(node)})
        return
    verdict = {True: "fires", False: "does not fire", None: "is not evaluated"}[node.value]
    where = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in time.items())
    typer.echo(f"{algorithm.name} (index {algorithm.index}) {verdict} in crossing {crossing} ({where})")
    typer.echo(f"{algorithm.text}\n")
    typer.echo("\n".join(reasons.tree_lines(node)))


def _opened(menu: str, sources: list[str], models: Path | None, muon_phi: str) -> tuple[OfflineMenu, Source]:
    """The menu with its scores, and the source."""
    from models.repository import open_repository
    from stream.run.offline import MuonPhi, OfflineMenu
    from triggers.errors import UnknownName
    from triggers.events.open import open_source
    from triggers.menu.load import load_menu

    if muon_phi not in set(MuonPhi):
        raise UnknownName("--axol1tl-muon-phi", "muon phi", muon_phi, list(MuonPhi))
    loaded = load_menu(menu)
    source = open_source(sources, algorithms={algorithm.name: algorithm.index for algorithm in loaded.algorithms})
    return OfflineMenu(loaded, open_repository(models), MuonPhi(muon_phi)), source


@contextmanager
def _progress(source: Source) -> Iterator[Callable[[int], None]]:
    with progress_bar() as bar:
        task = bar.add_task("evaluating", total=source.info.n_crossings)
        yield lambda n: bar.advance(task, n)


def _tell_not_evaluated(reasons: Mapping[str, str]) -> None:
    """The algorithms whose bits stay 0, on standard error."""
    if reasons:
        typer.echo(f"not evaluated: {len(reasons)} algorithms, whose bits are 0", err=True)
    for name, reason in list(reasons.items())[:_SHOWN_REASONS]:
        typer.echo(f"  {name}: {reason}", err=True)
    if len(reasons) > _SHOWN_REASONS:
        typer.echo(f"  and {len(reasons) - _SHOWN_REASONS} more (--json lists all)", err=True)


def _verification(comparison: BitComparison, not_evaluated: Mapping[str, str]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "crossings": comparison.crossings,
        "algorithms": comparison.compared,
        "bits": comparison.decisions,
        "differing_bits": sum(mismatch.differing for mismatch in comparison.mismatches()),
        "mismatches": [asdict(mismatch) for mismatch in comparison.mismatches()],
        "not_evaluated": dict(not_evaluated),
    }


def _verification_lines(comparison: BitComparison) -> Iterator[str]:
    mismatches = comparison.mismatches()
    n_bits = sum(mismatch.differing for mismatch in mismatches)
    yield f"compared {comparison.compared} algorithms in {comparison.crossings:,} crossings: {n_bits:,} bits differ"
    for mismatch in mismatches:
        yield from _mismatch_lines(mismatch)


def _mismatch_lines(mismatch: Mismatch) -> Iterator[str]:
    parts = f"{mismatch.missing:,} missing, {mismatch.extra:,} too many"
    yield f"{mismatch.name} (index {mismatch.index}): {mismatch.differing:,} crossings differ ({parts})"
    for example in mismatch.first:
        yield from _example_lines(example)


def _example_lines(example: Example) -> Iterator[str]:
    where = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in example.time.items())
    bits = f"expected {int(example.expected)}, found {int(not example.expected)}"
    yield f"  crossing {example.crossing} ({where}): {bits}"
    yield from (f"    {text}" for text in example.objects or ("no objects",))
