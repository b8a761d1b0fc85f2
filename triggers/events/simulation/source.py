"""Simulated crossings as a source: any batch size gives the same rows, on any number of cores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.decision.filling import FillingScheme
from triggers.errors import BadValue
from triggers.events import schema
from triggers.events.crossings import batch_of, stranger_slots
from triggers.events.lacking import NEIGHBOURS, lacking_sentences, lacking_sums
from triggers.events.simulation.mixture import biased_shares
from triggers.events.simulation.process import load_process
from triggers.events.simulation.sample import Sample
from triggers.events.simulation.simulator import ALL_WANTED, Simulator
from triggers.events.source import SourceInfo

HARDEST_SHIFT: Final = 32
"""The event number of a simulated crossing is the pool row of its first-ranking interaction × 2^32 + its number."""
BEAMS_PRESENT: Final = 0xF0
"""External channels 4 to 7: both beams are there, as the shipped menus have it."""
NATURAL_SHARE: Final = 0.3
"""Part of a weighted sample drawn as nature does; the rest evenly over the classes (`mixture.py`)."""
MUONS_WANTED: Final = (0.08, 0.4, 1.0, 1.0)
"""Chance with which a weighted sample keeps crossings with 0, 1, 2, more good muons."""
ANOMALY_SHARE: Final = 0.06
"""Part of a weighted sample with anomalous energy."""
_PICKS_KEY: Final = 0x5EED_0F_C1A55E5
FILLED_SUMS: Final = (
    *("ett", "ettem", "htt", "towercount", "etm", "etm_phi", "htm", "htm_phi", "etmhf", "etmhf_phi"),
    *("htmhf", "htmhf_phi", "mbt0hfp", "mbt0hfm", "mbt1hfp", "mbt1hfm"),
)
"""The quantities of the `sums` column that are simulated."""
_LACKING: Final = ("muon.isolation", "muon.shower", *lacking_sums(FILLED_SUMS))
_MISSING: Final = (
    *lacking_sentences(_LACKING),
    "External signals say only that both beams are there.",
    "Crossings do not disturb their neighbours: energy and muons of one do not spill into another.",
)


@dataclass(frozen=True, eq=False)
class SimulatedSource:
    """The crossings of a sample; keeps `triggers.events.source.Source`.

    Crossing i depends on the sample's configuration and i alone. `pileup` is the number of interactions of each
    crossing, besides that of a signal.

    Example:
        >>> from triggers.events.simulation.sample import Sample
        >>> from triggers.events.simulation.simulator import Simulator
        >>> sample = Sample(process="ttbar", crossings=1000, pileup=60.0)
        >>> source = SimulatedSource(sample, Simulator.prepare(sample.process))  # doctest: +SKIP

    Attributes:
        sample: what to make.
        simulator: prepared for the sample's process.
        workers: threads; by default one a core.
    """

    sample: Sample
    simulator: Simulator
    workers: int | None = None
    _scheme: FillingScheme | None = field(init=False)

    def __post_init__(self) -> None:
        scheme = self.sample.fill.scheme() if self.sample.fill is not None else None
        object.__setattr__(self, "_scheme", scheme)

    @property
    def info(self) -> SourceInfo:
        """What is known before reading."""
        sample = self.sample
        where = f"pile-up {sample.pileup:g}" if sample.pileup is not None else "a pile-up profile"
        if sample.fill is not None:
            where = f"a fill of {sample.fill.lumi_sections} lumi sections, pile-up up to {sample.fill.pileup:g}"
        kind = "weighted, " if sample.weighted else ""
        name = f"simulated {self._process}, {kind}seed {sample.seed}, {where}"
        return SourceInfo(name, sample.n_crossings, self._optional_columns, _MISSING, self._lacking)

    @cached_property
    def _process(self) -> str:
        return load_process(self.sample.process)[0]

    @property
    def _lacking(self) -> tuple[str, ...]:
        return _LACKING if self.sample.fill is not None else (*_LACKING, NEIGHBOURS)

    @property
    def _optional_columns(self) -> tuple[str, ...]:
        regions = ("regions",) if self.sample.regions else ()
        return (*regions, "pileup", *(("weight",) if self.sample.weighted else ()), "process")

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        """One pass, in batches of `n_rows` rows, the last one perhaps shorter.

        Raises:
            BadValue: `n_rows` is not positive.
        """
        if n_rows < 1:
            raise BadValue("simulated source", f"batches of {n_rows} rows", "give at least 1")
        total = self.sample.n_crossings
        for start in range(0, total, n_rows):
            yield self._batch(start, min(n_rows, total - start))

    def _batch(self, first: int, n: int) -> pa.RecordBatch:
        index = np.arange(first, first + n, dtype=np.int64)
        columns, pileup = self._times(index)
        picks = self._picks(first, n)
        pileup = self._profiled(pileup, picks[:, 0])
        highest, chosen = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
        wanted, anomalies = ALL_WANTED, None
        if self.sample.weighted:
            highest = np.searchsorted(np.cumsum(self._bias.shares), picks[:, 1]).astype(np.int64)
            wanted, anomalies = np.array(MUONS_WANTED), ANOMALY_SHARE
        begin, number = self.simulator.signal_rows
        if number:
            chosen = begin + index % number
        made = self.simulator.crossings(
            self.sample.seed, index.astype(np.uint64), pileup, highest, chosen, wanted, anomalies, self.workers
        )
        hardest = np.maximum(made["hardest"], 0).astype(np.uint64)
        columns["event"] = (hardest << np.uint64(HARDEST_SHIFT)) | index.astype(np.uint64)
        columns |= {name: made[name] for name in ("muon", "eg", "tau", "jet", "sums")}
        columns["external"] = np.zeros((n, schema.N_EXTERNAL_WORDS), np.uint64)
        columns["external"][:, 0] = BEAMS_PRESENT
        if self.sample.regions:
            columns["regions"] = made["regions"]
        columns["pileup"] = made["interactions"] - np.float32(number > 0)
        if self.sample.weighted:
            columns["weight"] = self._bias.weights(highest, made["tracks"], made["anomalous"])
        names = pa.array([self._process], pa.string())
        columns["process"] = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), names)
        return batch_of(columns)

    def _times(self, index: NDArray[np.int64]) -> tuple[dict[str, Any], NDArray[np.float64]]:
        """The time columns, and the mean pile-up of each crossing as far as time tells."""
        n = len(index)
        columns: dict[str, Any] = {"run": np.full(n, self.sample.run, np.uint32)}
        if self.sample.fill is None or self._scheme is None:
            columns["orbit"], columns["bx"] = stranger_slots(int(index[0]), n)
            columns["lumi_section"] = (columns["orbit"] // (1 << 18) + 1).astype(np.uint32)
            return columns, np.full(n, self.sample.pileup or 0.0)
        section, orbit, slot = self.sample.fill.times(index, self._scheme)
        columns["lumi_section"] = section.astype(np.uint32)
        columns["orbit"], columns["bx"] = orbit.astype(np.uint32), slot.astype(np.uint16)
        return columns, self.sample.fill.pileup_of(section)

    def _picks(self, first: int, n: int) -> NDArray[np.float64]:
        """Two random numbers of each crossing, `(n, 2)`."""
        from triggers.events.simulation import bias_kernel

        out = np.zeros((n, 2))
        key = np.uint64(self.sample.seed ^ _PICKS_KEY)
        bias_kernel.uniforms(key, np.uint64(first), np.zeros(1, np.uint64), out)
        return out

    def _profiled(self, pileup: NDArray[np.float64], picks: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.sample.pileup_profile is None:
            return pileup
        values = np.array([value for value, _ in self.sample.pileup_profile])
        shares = np.array([share for _, share in self.sample.pileup_profile])
        total = np.cumsum(shares / shares.sum())
        return np.asarray(values[np.minimum(np.searchsorted(total, picks), len(values) - 1)])

    @cached_property
    def _bias(self) -> _Bias:
        return _Bias.of(self.simulator, self.sample.pileup or 0.0)


@dataclass(frozen=True, eq=False)
class _Bias:
    """How a weighted sample is drawn, and the weights that undo it."""

    shares: NDArray[np.float64]
    chances: NDArray[np.float64]
    kept: NDArray[np.float64]
    anomaly: float

    @classmethod
    def of(cls, simulator: Simulator, pileup: float) -> _Bias:
        shares = biased_shares(simulator.mixture, pileup, NATURAL_SHARE)
        kept = simulator.muon_shares(pileup) @ np.array(MUONS_WANTED)
        return cls(
            shares / shares.sum(),
            simulator.mixture.class_chances(pileup),
            kept,
            simulator.level1.towers.anomalies,
        )

    def weights(
        self, highest: NDArray[np.int64], tracks: NDArray[np.int64], anomalous: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """The weights of crossings by class, good muons and anomalous energy; their mean is 1."""
        weight = self.chances[highest] / self.shares[highest]
        weight *= self.kept[highest] / np.array(MUONS_WANTED)[tracks]
        weight *= np.where(anomalous, self.anomaly / ANOMALY_SHARE, (1 - self.anomaly) / (1 - ANOMALY_SHARE))
        return weight.astype(np.float32)
