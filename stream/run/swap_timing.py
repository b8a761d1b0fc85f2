"""What a run's trace of batches tells: order, versions, throughput and pauses around swaps (`l1chain bench swap`)."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream.services.sinks.trace import TRACE_FILE

_SETTLED_LUMI_SECTIONS: Final = 1
"""A swap is over when the lumi section after its first one is decided."""
_PERCENT: Final = 99


@dataclass(frozen=True)
class Window:
    """A swap.

    Attributes:
        begun_ns: when it was asked for, by the monotonic clock.
        agreed_ns: when the answer came.
        lumi_section: the first with the new version.
    """

    begun_ns: int
    agreed_ns: int
    lumi_section: int


@dataclass(frozen=True)
class Trace:
    """The batches of a run in the order of their decisions; arrays `(n,) int64`, and the versions of each.

    After a restart of a service some are decided again, from the last commit on; the decisions before do not count.
    """

    lumi_section: NDArray[np.int64]
    first: NDArray[np.int64]
    crossings: NDArray[np.int64]
    made_ns: NDArray[np.int64]
    decided_ns: NDArray[np.int64]
    versions: tuple[str, ...]

    def distinct(self, per_lumi_section: int) -> int:
        """How many crossings were decided at all.

        Args:
            per_lumi_section: crossings in a full lumi section.
        """
        begin = (self.lumi_section - 1) * per_lumi_section + self.first
        order = np.argsort(begin, kind="stable")
        begin, end = begin[order], (begin + self.crossings)[order]
        covered = np.concatenate([[0], np.maximum.accumulate(end)[:-1]])
        return int(np.maximum(end - np.maximum(begin, covered), 0).sum())

    def of_other_versions(self, recorded: Mapping[int, str]) -> dict[int, int]:
        """By lumi section, crossings of batches that another version scored than is recorded."""
        wrong: dict[int, int] = defaultdict(int)
        for number, n, version in zip(self.lumi_section.tolist(), self.crossings.tolist(), self.versions, strict=True):
            if version != recorded.get(number):
                wrong[number] += n
        return dict(wrong)


def read_trace(folder: Path) -> Trace:
    """The trace in a run's folder, made with `run.trace: true`."""
    with (folder / TRACE_FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))

    def column(name: str) -> NDArray[np.int64]:
        return np.array([int(row[name]) for row in rows], np.int64)

    return Trace(
        column("lumi_section"),
        column("first"),
        column("crossings"),
        column("made_ns"),
        column("decided_ns"),
        tuple(row["versions"] for row in rows),
    )


def timing(trace: Trace, windows: Sequence[Window], begun_ns: int) -> dict[str, Any]:
    """Throughput and pauses around swaps, beside those of the time in between.

    Args:
        trace: the batches.
        windows: the swaps, in order.
        begun_ns: when the undisturbed time before the first swap began.

    Returns:
        `throughput_ratio`: crossings in a second from the request of a swap until the second lumi section with it is
        decided, over that of the rest; `pause_ratio`: of the batches decided in that time, the longest from its making
        to its decision over the p99 of undisturbed ones before, the greatest of all swaps; `gap_ratio`: the same for
        the time between two decisions; `undisturbed_ratio`: the longest undisturbed batch over the p99 of these, which
        is what the machine does without a swap; and what they are made of, in ms.
    """
    decided = trace.decided_ns
    spans = [(window.begun_ns, _settled_ns(trace, window)) for window in windows]
    around = np.zeros(len(decided), np.bool_)
    for begin, end in spans:
        around |= (decided > begin) & (decided <= end)
    quiet = (decided > begun_ns) & (decided <= spans[-1][1]) & ~around
    around_s = sum(end - begin for begin, end in spans) / 1e9
    quiet_s = (spans[-1][1] - begun_ns) / 1e9 - around_s
    throughput = trace.crossings[around].sum() / around_s, trace.crossings[quiet].sum() / quiet_s
    latency_ms = (decided - trace.made_ns) / 1e6
    gap_ms = np.diff(decided, prepend=decided[:1]) / 1e6
    pauses, gaps = (_longest(values, decided, quiet, spans) for values in (latency_ms, gap_ms))
    return {
        "throughput_ratio": float(throughput[0] / throughput[1]),
        "pause_ratio": pauses[0],
        "gap_ratio": gaps[0],
        "undisturbed_ratio": float(latency_ms[quiet].max() / np.percentile(latency_ms[quiet], _PERCENT)),
        "longest_pause_ms": pauses[1],
        "p99_before_ms": pauses[2],
        "longest_gap_ms": gaps[1],
        "gap_p99_before_ms": gaps[2],
        "swap_ms": float(np.median([(window.agreed_ns - window.begun_ns) / 1e6 for window in windows])),
    }


def _settled_ns(trace: Trace, window: Window) -> int:
    settled = trace.lumi_section <= window.lumi_section + _SETTLED_LUMI_SECTIONS
    return int(trace.decided_ns[settled].max())


def _longest(
    values: NDArray[np.float64], decided: NDArray[np.int64], quiet: NDArray[np.bool_], spans: list[tuple[int, int]]
) -> tuple[float, float, float]:
    """The swap with the greatest ratio: ratio, its longest value, and the p99 of undisturbed ones before it."""
    found = []
    for begin, end in spans:
        usual = float(np.percentile(values[quiet & (decided <= begin)], _PERCENT))
        longest = float(values[(decided > begin) & (decided <= end)].max())
        found.append((longest / usual, longest, usual))
    return max(found)
