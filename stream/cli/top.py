"""`l1chain top`: a running chain at a glance."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stream.cli.ctl_options import RunOption
from stream.cli.output import JsonOption, console, print_json

if TYPE_CHECKING:
    from stream.run.control_client import Client
    from stream.run.top import Top


_PATIENCE_S: Final = 10.0
_ONE_LOOK_S: Final = 4.0
"""Services tell their metrics every two seconds."""
_LEAVE: Final = (b"q", b"Q", b"")
"""Keys that end; nothing is read where the terminal has gone."""


def top(
    run: RunOption = None,
    once: Annotated[bool, typer.Option("--once", help="Print one picture and end.")] = False,
    period_s: Annotated[float, typer.Option("--period", metavar="SECONDS", min=0.2, help="Between looks.")] = 1.0,
    to: Annotated[
        str | None, typer.Option("--connect", metavar="HOST:PORT", help="A run on another host (security.commands).")
    ] = None,
    keys: Annotated[Path, typer.Option(metavar="DIR", help="Folder of keys, with --connect.")] = Path("keys"),
    name: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Key to use, with --connect; the right `read` is enough.")
    ] = "watcher",
    as_json: JsonOption = False,
) -> None:
    """Show a running chain: rates and budgets, speed, dead time, latency, services, versions.

    Rates are per simulated second, over the last 10 seconds. The picture is renewed until the run ends; the key q, or
    Ctrl-C, leaves earlier, and the run goes on. With --once, with --json, and where there is no terminal, one picture
    is printed, of the last four seconds.

    Cores and CPU ns (for a crossing) are what a service uses; queue: batches that wait for it, of the producer those
    that are not decided; p50, p99: from the making of a batch to the arrival of its result, of the combiner to its
    decision. With threads, all services share one process, whose memory no row shows. A rate that fires off its
    calibration by 1.5 is yellow, one above its limit red.

    Exit codes: 0 the run ended, or you left; 2 there is no such run, or it does not answer.
    """
    from stream.run.control_client import Client, find_run
    from stream.run.top import Top

    client = find_run(run) if to is None else Client.remote(to, keys, name)
    view = Top(client)
    if not (once or as_json) and console().is_terminal:
        _follow(client, view, period_s)
        return
    picture = _one(view, period_s)
    if as_json:
        print_json(picture)
    else:
        from stream.run.top_view import drawn

        console().print(drawn(picture))


def _one(view: Top, period_s: float) -> dict[str, Any]:
    """A picture of a time in which crossings were decided; of a run that waits, after some patience."""
    view.look()
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        time.sleep(max(period_s, _ONE_LOOK_S))
        picture = view.look()
        if picture["simulated_seconds"] > 0 or time.monotonic() > deadline:
            return picture


def _follow(client: Client, view: Top, period_s: float) -> None:
    """Renew the picture until the run ends or somebody presses q."""
    from rich.live import Live

    from stream.run.top_view import drawn, gone
    from triggers.errors import L1ChainError

    silent_since: float | None = None
    picture = drawn(view.look())
    screen = Live(picture, console=console(), screen=True, auto_refresh=False)
    with suppress(KeyboardInterrupt), _keys() as pressed, screen as live:
        while not pressed(period_s):
            try:
                picture, silent_since = drawn(view.look()), None
            except L1ChainError as error:
                silent_since = silent_since or time.monotonic()
                has_ended = client.has_left()
                if has_ended or time.monotonic() - silent_since > _PATIENCE_S:
                    picture = gone(picture, client.folder, None if has_ended else error)
                    break
            live.update(picture, refresh=True)
    console().print(picture)


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Waits some seconds and tells whether q was pressed meanwhile; the terminal is put back as it was."""
    import select
    import termios
    import tty

    if not sys.stdin.isatty():
        yield _wait
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed(seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (left_s := deadline - time.monotonic()) > 0:
            if select.select([descriptor], [], [], left_s)[0] and os.read(descriptor, 1) in _LEAVE:
                return True
        return False

    tty.setcbreak(descriptor)
    try:
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False
