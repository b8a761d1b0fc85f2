"""`l1chain bench`: measurements of the parts."""

from __future__ import annotations

import tempfile
from typing import Annotated, Final

import typer

from stream.cli.output import JsonOption, console, print_json
from stream.cli.run import SetOption, run_with_progress

app = typer.Typer(no_args_is_help=True, help="Measure throughput, CPU time a crossing, and latency.")

LHC_COLLISIONS_PER_S: Final = 2544 * 11_245.5


@app.command()
def chain(
    config: Annotated[str, typer.Argument(help="Configuration of the chain to measure.")] = "shipped:chains/bench.yaml",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the whole chain on crossings prepared in memory, so that the source's own time does not count.

    At least a million distinct crossings are prepared and go round; the run folder is temporary.
    """
    from stream.run.config import load_config
    from stream.run.report import result_of, summary

    with tempfile.TemporaryDirectory(prefix="l1chain-bench-") as folder:
        settings = (*(overrides or ()), "source.prepare=true", f"run.out={folder}")
        record = run_with_progress(load_config(config, settings))
        record["lhc_fraction"] = record["crossings_per_s"] / LHC_COLLISIONS_PER_S
        if as_json:
            print_json(result_of(record))
        else:
            console().print(summary(record, top=5))
