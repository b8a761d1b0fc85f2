"""`l1chain models compare-published`: AXOL1TL's generations against the efficiencies that its team published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.models_options import (
    DEFAULT_BUNCHES,
    BackgroundOption,
    BunchesOption,
    opened,
    opened_signals,
    training_config,
)
from stream.cli.output import JsonOption, console, print_json

_FROZEN = "published-"
"""What the names of the protocol's configurations begin with: recipes that go on changing are others."""


def compare_published(
    data: Annotated[
        list[str], typer.Option("--data", metavar="FILE", help="Zero bias to train on; any number of times.")
    ],
    background: BackgroundOption,
    signals: Annotated[
        list[str], typer.Option("--signals", metavar="PROCESS=FILE", help="A signal of the protocol; once for each.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder; a run that was interrupted goes on in its own.")],
    protocol: Annotated[str, typer.Option(help="What is fixed before (YAML).")] = "shipped:training/published.yaml",
    config: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Training configuration of a system (YAML); once for each. [default: the shipped ones]"
        ),
    ] = None,
    colliding_bunches: BunchesOption = DEFAULT_BUNCHES,
    as_json: JsonOption = False,
) -> None:
    """Train every system with every seed, and test the published order of efficiencies, by a protocol fixed before."""
    from models.published import load_protocol
    from models.published_run import PublishedTask, run_comparison, summary, write_comparison
    from models.zoo import load_config
    from triggers.events.schema import ORBITS_PER_SECOND

    fixed = load_protocol(protocol)
    stated = {loaded.system: loaded for loaded in map(load_config, config or ())}
    configs = {system: stated.get(system) or training_config(system, None, _FROZEN) for system in fixed.systems}
    task = PublishedTask(
        fixed,
        configs,
        opened(data, None),
        opened(background, None),
        opened_signals(signals, None),
        colliding_bunches * ORBITS_PER_SECOND,
        out,
    )
    result = run_comparison(task, on_step=lambda step: typer.echo(step, err=True))
    write_comparison(result, out)
    answer = summary(result)
    if as_json:
        print_json({**answer, "out": str(out)})
        return
    from rich.table import Table

    table = Table("signal", *(f"{system} (published)" for system in fixed.systems), "verdict")
    for signal in result.signals:
        cells = (f"{100 * s.mean:.2f} ± {100 * s.spread:.2f} ({100 * s.published:g}) %" for s in signal.systems)
        table.add_row(signal.signal, *cells, signal.verdict)
    console().print(table)
    line = "reproduced {reproduced}, inverted {inverted}, undecided {undecided}; aim {aim}"
    console().print(line.format(**answer), highlight=False)
    console().print(f"report: {out}/report.html", highlight=False, soft_wrap=True)
