"""Everything that crossings are made from, in memory, and crossings made from it on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from triggers.events import schema
from triggers.events.simulation import pools
from triggers.events.simulation.decays import MuonicDecays, muonic_decays
from triggers.events.simulation.detector import Response, record_of
from triggers.events.simulation.geometry import COLUMNS, row_eta_hw
from triggers.events.simulation.level1 import TUNING, Level1
from triggers.events.simulation.mixture import Mixture, mixture_of
from triggers.events.simulation.process import ZERO_BIAS, Component, Process, load_process
from triggers.events.simulation.responses import Deposits, Pool, joined_deposits, load_responses

_BLOCK: Final = 256
"""Crossings that a thread takes at a time."""
_MUON_CLASSES: Final = 4
ALL_WANTED: Final[NDArray[np.float64]] = np.ones(_MUON_CLASSES)


@dataclass(frozen=True, eq=False)
class Simulator:
    """Makes crossings of zero bias, or of a signal with pile-up.

    Attributes:
        mixture: the inelastic interactions.
        signal: pools of the signal, none for zero bias.
        deposits: of the mixture, then of the signal.
        decays: of heavy hadrons to muons.
        level1: numbers of the Level-1 trigger.
    """

    mixture: Mixture
    signal: tuple[Pool, ...]
    deposits: Deposits
    decays: MuonicDecays
    level1: Level1 = TUNING

    @classmethod
    def prepare(
        cls,
        process: str | Path = ZERO_BIAS,
        *,
        level1: Level1 = TUNING,
        response: Response | None = None,
        interactions: int | None = None,
        folder: Path | None = None,
        progress: Callable[[str, int], Callable[[int], None]] | None = None,
        workers: int | None = None,
    ) -> Self:
        """Load what a process needs, generating what the cache lacks.

        Args:
            process: name or path of a process configuration.
            level1: numbers of the Level-1 trigger.
            response: numbers of the calorimeters.
            interactions: limit on the interactions of each component; by default as configured.
            folder: of the cache.
            progress: makes, of a task's name and size, the function to call with what is done.
            workers: generating processes; by default one a core.

        Raises:
            UnknownName, BadValue: the process does not exist or cannot be, or the cache cannot be written.
            FileUnreadable: a file of the cache is damaged.
        """
        home = folder or pools.cache_folder()
        _, inelastic = load_process(ZERO_BIAS)
        name, wanted = load_process(process)
        signal = () if name == ZERO_BIAS else _limited(wanted, interactions)
        pileup = _limited(inelastic if name != ZERO_BIAS else wanted, interactions)
        parts = (*pileup, *signal)
        report = progress or (lambda _task, _size: lambda _n: None)
        missing = pools.missing_jobs(parts, home)
        if missing:
            pools.ensure_pools(parts, home, report("generating interactions", len(missing) * pools.CHUNK), workers)
        advance = report("loading interactions", sum(c.interactions for c in parts))
        numbers = response or Response()
        loaded = [load_responses(component, numbers, home, advance) for component in parts]
        mixture = mixture_of(loaded[: len(pileup)])
        rest = tuple(loaded[len(pileup) :])
        deposits = joined_deposits([mixture.deposits, *(p.deposits for p in rest)]) if rest else mixture.deposits
        return cls(mixture, rest, deposits, muonic_decays(home), level1)

    @property
    def signal_rows(self) -> tuple[int, int]:
        """First row of the signal's interactions in the pools, and their number."""
        return int(self.mixture.first[-1]), sum(len(pool.deposits) for pool in self.signal)

    def crossings(
        self,
        key: int,
        index: NDArray[np.uint64],
        pileup: NDArray[np.float64],
        highest: NDArray[np.int64],
        chosen: NDArray[np.int64],
        wanted: NDArray[np.float64] = ALL_WANTED,
        anomalies: float | None = None,
        workers: int | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Simulate crossings; content depends on key, index and the other rows alone.

        Args:
            key: of the random numbers, 64 bits.
            index: `(n,) uint64`.
            pileup: mean numbers of interactions, `(n,) float64`.
            highest: class of each crossing, or −1, `(n,) int64`.
            chosen: pool row of the signal interaction, or −1, `(n,) int64`.
            wanted: chance to keep a crossing with 0, 1, 2, more good muons, `(4,) float64`; by default all are kept.
            anomalies: chance of anomalous energy; by default that of `level1`.
            workers: threads; by default one a core.

        Returns:
            Columns `muon`, `eg`, `tau`, `jet`, `sums`, `regions` of the event format, `interactions` (float32),
            `hardest` (int64, row of the pools) `tracks` (int64, good muons, 3 if more) and `anomalous` (bool).
        """
        from triggers.events.simulation import crossing_kernel

        n = len(index)
        out = _outputs(n)
        tables = self._tables()
        numbers = tuple(record_of(getattr(self.level1, field.name)) for field in fields(self.level1))
        d = self.deposits
        arrays = (d.offsets, d.tower, d.em, d.had)
        sources, decays = self._muon_arrays()

        def block(start: int) -> None:
            rows = slice(start, start + _BLOCK)
            crossing_kernel.simulate(
                np.uint64(key),
                index[rows],
                pileup[rows],
                highest[rows],
                chosen[rows],
                self.mixture.first,
                self.mixture.fractions,
                wanted,
                self.level1.towers.anomalies if anomalies is None else anomalies,
                arrays,
                sources,
                decays,
                numbers,
                tables,
                tuple(array[rows] for array in out.values()),
            )

        starts = range(0, n, _BLOCK)
        threads = workers or os.cpu_count() or 1
        if threads == 1 or n <= _BLOCK:
            for start in starts:
                block(start)
        else:
            with ThreadPoolExecutor(threads) as executor:
                list(executor.map(block, starts))
        return out

    def muon_shares(self, pileup: float, n: int = 4000) -> NDArray[np.float64]:
        """The chance of 0, 1, 2, more good muons in crossings of each class, `(classes, 4)`, from `n` of each."""
        from triggers.events.simulation import crossing_kernel

        sources, decays = self._muon_arrays()
        counts = np.zeros((len(self.mixture.fractions), _MUON_CLASSES), np.int64)
        for highest in range(len(counts)):
            crossing_kernel.count_tracks(
                np.uint64(highest),
                n,
                pileup,
                highest,
                self.mixture.first,
                self.mixture.fractions,
                sources,
                decays,
                record_of(self.level1.muons),
                counts[highest],
            )
        return counts / n

    def _muon_arrays(self) -> tuple[tuple[NDArray[Any], ...], tuple[NDArray[Any], ...]]:
        d = self.deposits
        sources = (d.source_offsets, d.source_pt, d.source_eta, d.source_phi, d.source_d0, d.source_code)
        return sources, tuple(getattr(self.decays, field.name) for field in fields(self.decays))

    def _tables(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        phi = (np.arange(COLUMNS) + 0.5) * (2 * np.pi / COLUMNS)
        return row_eta_hw(), np.cos(phi), np.sin(phi)


def _limited(process: Process, interactions: int | None) -> tuple[Component, ...]:
    if interactions is None:
        return process.components
    return tuple(c.model_copy(update={"interactions": min(c.interactions, interactions)}) for c in process.components)


def _outputs(n: int) -> dict[str, NDArray[Any]]:
    words = {name: np.zeros((n, schema.N_CALO_OBJECTS), np.uint32) for name in ("eg", "tau", "jet")}
    return {
        "muon": np.zeros((n, schema.N_MUONS), np.uint64),
        **words,
        "sums": np.zeros((n, schema.N_SUMS), np.uint32),
        "regions": np.zeros((n, schema.N_REGIONS), np.uint16),
        "interactions": np.zeros(n, np.float32),
        "hardest": np.zeros(n, np.int64),
        "tracks": np.zeros(n, np.int64),
        "anomalous": np.zeros(n, np.bool_),
    }
