"""`l1chain menu show|check|diff|convert`: for people who edit menus."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stream.cli.output import JsonOption, console, print_json

if TYPE_CHECKING:
    from triggers.menu.check_values import Finding
    from triggers.menu.diff import Change
    from triggers.menu.model import Algorithm, Menu

ERRORS_EXIT: Final = 1
_SHOWN_NAMES: Final = 3
_XML: Final = ".xml"
_YAML: Final = (".yaml", ".yml")

MenuArgument = Annotated[
    str, typer.Argument(metavar="MENU", help="Menu: CMS XML (.xml, .xml.gz) or YAML; `shipped:menus/demo.yaml`.")
]


def show(
    menu: MenuArgument,
    seed: Annotated[str | None, typer.Argument(metavar="[SEED]", help="An algorithm, to be shown in full.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List a menu's algorithms, or show one in full.

    Cuts are in physical units, with the integers that the hardware compares in brackets.
    """
    from triggers.menu.describe import algorithm_lines, algorithm_record, groups_of
    from triggers.menu.load import load_menu

    loaded = load_menu(menu)
    if seed is not None:
        algorithm = algorithm_of(loaded, seed)
        if as_json:
            print_json(algorithm_record(algorithm, loaded))
        else:
            typer.echo("\n".join(algorithm_lines(algorithm, loaded)))
        return
    if as_json:
        algorithms = [algorithm_record(algorithm, loaded) for algorithm in loaded.algorithms]
        about = {"name": loaded.name, "comment": loaded.comment, "sha256": loaded.digest}
        print_json({**about, "scales": loaded.scales.name, "algorithms": algorithms})
        return
    from rich.table import Table
    from rich.text import Text

    title = f"{loaded.name}: {len(loaded.algorithms)} algorithms"
    table = Table("index", "name", "expression", "groups", title=title, title_justify="left")
    for algorithm in loaded.algorithms:
        groups = ", ".join(groups_of(algorithm, loaded))
        table.add_row(str(algorithm.index), Text(algorithm.name), Text(algorithm.text), Text(groups))
    console().print(table)


def check(menu: MenuArgument, as_json: JsonOption = False) -> None:
    """List what is wrong or doubtful in a menu; exit code 1 if there is an error among it, else 0."""
    from dataclasses import asdict

    from triggers.menu.check import check_file
    from triggers.menu.check_values import Severity

    findings = check_file(menu)
    counts = Counter(finding.severity for finding in findings)
    if as_json:
        print_json({"menu": menu, "counts": {s: counts[s] for s in Severity}, "findings": list(map(asdict, findings))})
    else:
        for finding in findings:
            typer.echo(_finding_line(finding))
        plurals = (f"{counts[severity]} {severity}{'' if counts[severity] == 1 else 's'}" for severity in Severity)
        typer.echo(f"{menu}: {', '.join(plurals)}")
    if counts[Severity.ERROR]:
        raise typer.Exit(ERRORS_EXIT)


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The menu as it was.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The menu as it is.")],
    as_json: JsonOption = False,
) -> None:
    """Say in words what changed between two menus."""
    from dataclasses import asdict

    from triggers.menu.diff import diff_menus
    from triggers.menu.load import load_menu

    before, after = load_menu(old), load_menu(new)
    changes = diff_menus(before, after)
    counts = Counter(change.kind.value for change in changes)
    if as_json:
        print_json({"old": before.name, "new": after.name, "counts": counts, "changes": list(map(asdict, changes))})
        return
    for change in changes:
        for line in _change_lines(change):
            typer.echo(line)
    summary = ", ".join(f"{n} {kind}" for kind, n in counts.items()) or "no differences"
    typer.echo(f"{before.name} → {after.name}: {summary}")


def convert(
    menu: MenuArgument,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write: .yaml, .yml or .xml.")],
    as_json: JsonOption = False,
) -> None:
    """Write a menu as YAML or as CMS XML; reading it back gives the same menu."""
    from triggers.errors import UnknownName
    from triggers.events.writers import whole_file
    from triggers.menu.load import load_menu
    from triggers.menu.write import not_in_xml, xml_menu, yaml_menu

    suffix = out.suffix.lower()
    if suffix not in (*_YAML, _XML):
        raise UnknownName(out, "menu format", out.suffix, (*_YAML, _XML))
    loaded = load_menu(menu)
    text, left_out = (xml_menu(loaded), not_in_xml(loaded)) if suffix == _XML else (yaml_menu(loaded), ())
    with whole_file(out) as partial:
        partial.write_text(text, encoding="utf-8")
    if as_json:
        print_json({"out": str(out), "algorithms": len(loaded.algorithms), "not_held": list(left_out)})
        return
    typer.echo(f"wrote {out}: {loaded.name}, {len(loaded.algorithms)} algorithms")
    for sentence in left_out:
        typer.echo(f"  not held: {sentence}")


def algorithm_of(menu: Menu, name: str) -> Algorithm:
    """The algorithm of that name.

    Raises:
        UnknownName: the menu has none.
    """
    from triggers.errors import UnknownName

    algorithm = menu.algorithm(name)
    if algorithm is None:
        raise UnknownName(menu.source, "algorithm", name, [known.name for known in menu.algorithms])
    return algorithm


def _finding_line(finding: Finding) -> str:
    users = [name for name in finding.algorithms if name != finding.where and name not in finding.what]
    more = f" and {len(users) - _SHOWN_NAMES} more" if len(users) > _SHOWN_NAMES else ""
    used = f" (in {', '.join(users[:_SHOWN_NAMES])}{more})" if users else ""
    return f"{finding.severity}: {finding.where}: {finding.what}{used}"


def _change_lines(change: Change) -> list[str]:
    used = f" (in {len(change.algorithms)} algorithms)" if change.algorithms else ""
    if change.details:
        return [f"{change.kind} {change.name}", *(f"  {detail}" for detail in change.details)]
    return [f"{change.kind} {change.name}: {change.text}{used}"]
