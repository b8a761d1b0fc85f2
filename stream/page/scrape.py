"""The metrics of a run as the page reads them (`docs/metrics.md`)."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import isinf
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

_PATIENCE_S: Final = 10.0


Labels = tuple[str, ...]


@dataclass(frozen=True)
class Histogram:
    """Cumulative counts: `counts[k]` values do not exceed `edges[k]`; the last edge is infinite.

    Attributes:
        edges: ascending.
        counts: of the same length.
    """

    edges: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def total(self) -> float:
        """How many values there are."""
        return self.counts[-1] if self.counts else 0.0

    def since(self, before: Histogram | None) -> Histogram:
        """What came since; all, if nothing was before or counting began again."""
        if before is None or before.edges != self.edges or before.total > self.total:
            return self
        return Histogram(self.edges, tuple(now - then for now, then in zip(self.counts, before.counts, strict=True)))

    def quantile(self, fraction: float) -> float | None:
        """The value that a fraction does not exceed, linear within a bucket as in Prometheus; None without values."""
        if self.total <= 0:
            return None
        wanted, low, below = fraction * self.total, 0.0, 0.0
        for edge, count in zip(self.edges, self.counts, strict=True):
            if count >= wanted:
                return low if isinf(edge) else low + (edge - low) * (wanted - below) / (count - below)
            low, below = edge, count
        return low


@dataclass(frozen=True)
class Scrape:
    """The samples of one reading.

    Attributes:
        time_s: when, on the monotonic clock.
        samples: name → labels and value of each sample.
    """

    time_s: float
    samples: Mapping[str, list[tuple[Mapping[str, str], float]]]

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples with these labels."""
        return sum(self.by(name, **labels).values())

    def by(self, name: str, *keys: str, **labels: str) -> dict[Labels, float]:
        """The sums by the values of some labels, of the samples that have the other labels.

        Args:
            name: of the samples.
            keys: labels to tell apart.
            labels: that a sample must have.
        """
        sums: dict[Labels, float] = defaultdict(float)
        for found, value in self.samples.get(name, ()):
            if all(found.get(label) == wanted for label, wanted in labels.items()):
                sums[tuple(found.get(key, "") for key in keys)] += value
        return dict(sums)

    def histograms(self, name: str, *keys: str) -> dict[Labels, Histogram]:
        """Histograms by the values of some labels, replicas added up."""
        buckets: dict[Labels, dict[float, float]] = defaultdict(dict)
        for (*labels, edge), count in self.by(f"{name}_bucket", *keys, "le").items():
            buckets[tuple(labels)][float(edge)] = count
        return {
            labels: Histogram(tuple(sorted(counts)), tuple(counts[edge] for edge in sorted(counts)))
            for labels, counts in buckets.items()
        }


def parse(text: str, time_s: float) -> Scrape:
    """A reading of the Prometheus text format.

    Raises:
        ValueError: it is not in that format.
    """
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name].append((sample.labels, sample.value))
    return Scrape(time_s, samples)


def scrape(address: str) -> Scrape | None:
    """The metrics that a run serves at `HOST:PORT`; None if it does not answer."""
    try:
        with urlopen(f"http://{address}/metrics", timeout=_PATIENCE_S) as answer:
            return parse(answer.read().decode(), time.monotonic())
    except (URLError, OSError, ValueError):
        return None
