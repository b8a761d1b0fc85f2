"""`l1chain chaos`: a run under fire, held against the same run undisturbed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.output import JsonOption, console, print_json
from stream.cli.run import SetOption


def chaos(
    config: Annotated[str, typer.Argument(help="Configuration of the chain.")] = "shipped:chains/bench.yaml",
    overrides: SetOption = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Wall-clock time for both runs together.")] = 10.0,
    every: Annotated[str, typer.Option(metavar="SECONDS", help="Time between two faults, e.g. 10s.")] = "10s",
    seed: Annotated[int, typer.Option(help="Of the choice of services and faults.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Kill, stop and cut off random services of a run at full speed, and compare it with an undisturbed one.

    A third of the time is the undisturbed run's. Each service is a process (ipc); the supervisor is killed, too, and
    the run resumed. Only processes that this command started are touched. Accepted crossings, counts of algorithms and
    lumi sections must be identical.
    """
    from stream.run.chaos import ChaosSettings, run_chaos
    from stream.run.config import load_config

    settings = ChaosSettings(minutes, _seconds(every), seed)
    fixed = ("transport=ipc", "source.prepare=true", "source.repeat=forever", "run.lumi_sections=1000000")
    load_config(config, (*fixed, *(overrides or ())))  # bad input is told before anything begins
    folder = Path(tempfile.mkdtemp(prefix="l1chain-chaos-"))
    result = run_chaos(config, (*fixed, *(overrides or ())), folder, settings, _tell)
    # Of a run that did not come to its end, the folder is left to be looked at.
    shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        print_json(result)
        return
    faults = f"{result['kills']} kills, {result['stops']} stops, {result['cuts']} cuts"
    same = "identical" if result["identical"] else "NOT identical: " + ", ".join(result["differences"])
    numbers = f"produced {result['produced']:,}, decided {result['decided']:,}: {same}"
    console().print(f"{faults}; {numbers}; {result['throughput_ratio']:.2f} of the undisturbed speed", highlight=False)


def _seconds(text: str) -> float:
    from triggers.errors import BadValue

    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise BadValue("--every", f"'{text}' is no time", "write seconds, such as 10s")
    return seconds


def _tell(sentence: str) -> None:
    typer.echo(sentence, err=True)
