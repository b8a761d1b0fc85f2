"""What reports say of the stage after the L1 accept (`docs/hlt.md`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from triggers.decision.settings import simulated_seconds
from triggers.studies import html, plots
from triggers.studies.html import rate_text
from triggers.studies.rates import rate_and_error


def hlt_sentence(record: dict[str, Any]) -> str | None:
    """The stage's result in a sentence; None: the run had no such stage."""
    stage, counts = record.get("hlt_stage"), record.get("hlt")
    if stage is None or counts is None:
        return None
    return (
        f"After the L1 accept, {stage['name']}/{stage['version']} scored {counts['scored']:,} crossings: "
        f"{counts['passed']:,} reach {stage['threshold']:,}, {counts['accepted']:,} are kept, "
        f"{rate_text(counts['accepted_hz'], counts['accepted_error_hz'])} of {rate_text(stage['rate_hz'])} allowed."
    )


def hlt_section(record: dict[str, Any]) -> Iterator[str]:
    """The part of the HTML page about the stage; nothing if the run had none."""
    sentence = hlt_sentence(record)
    if sentence is None:
        return
    stage, rows = record["hlt_stage"], record["lumi_sections"]
    yield html.heading("After the L1 accept")
    yield html.paragraph(sentence)
    numbers, bunches = [row["lumi_section"] for row in rows], record["config"]["run"]["colliding_bunches"]
    seconds = [simulated_seconds(row["decided"], bunches) for row in rows]
    series = {
        name: (numbers, [rate_and_error(row["hlt"][key], s)[0] for row, s in zip(rows, seconds, strict=True)])
        for name, key in (("reach the threshold", "passed"), ("kept", "accepted"))
    }
    limits = {"allowed": stage["rate_hz"]}
    yield html.figure(plots.lines(series, "lumi section", "rate [Hz]", limits), "Crossings after the L1 accept.")
