"""Reads the LHC physics data set for unsupervised detection, ADC2021 (`docs/formats.md`, section "ADC2021")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue, FileUnreadable
from triggers.events.lacking import NEIGHBOURS, lacking_sums
from triggers.events.readers.damage import damage_told
from triggers.events.readers.foreign import Chunk, ForeignSource
from triggers.events.readers.foreign_times import RawTimes
from triggers.events.readers.object_lists import ObjectLists, Where, packed_slots
from triggers.events.readers.sum_lists import put_quantity
from triggers.events.scales import CALO_PHI, OBJECT_SCALES, SUM_ET
from triggers.events.schema import N_SUMS

PARTICLES: Final = "Particles"
EVENT_IDS: Final = "EvtId"
N_PARTICLES: Final = 19
FEATURES: Final = ("pt", "eta", "phi", "class")


class ParticleClass(IntEnum):
    """The codes of the fourth feature."""

    MET = 1
    ELECTRON = 2
    MUON = 3
    JET = 4


PLACES: Final = {
    "eg": (slice(1, 5), ParticleClass.ELECTRON),
    "muon": (slice(5, 9), ParticleClass.MUON),
    "jet": (slice(9, 19), ParticleClass.JET),
}
"""The rows of each object column, and the class of what stands there."""

FILLED_SUMS: Final = ("etm", "etm_phi", "etmhf", "etmhf_phi")
"""The one missing energy of the data set stands for both of the trigger's."""

_NEVER: Final = (
    *("tau", "eg.isolation", "jet.displaced", "external", NEIGHBOURS),
    *(f"muon.{name}" for name in ("quality", "isolation", "charge", "index", "phi_raw", "pt_unconstrained")),
    *("muon.impact_parameter", "muon.shower"),
)
_SENTENCES: Final = (
    "rates: every crossing has a lepton of pT > 23 GeV, so rates made from this data set are not trigger rates",
    "units: pT, eta and phi are those of a fast simulation, put into the bins of the trigger; no hardware integers",
    "etm, etmhf: both are the one missing energy of the data set",
)
_CACHE_BYTES: Final = 1 << 26
_BYTES_AT_ONCE: Final = 1 << 27


class Adc2021Source(ForeignSource):
    """HDF5 files with the data set `Particles` as one run."""

    format_name = "ADC2021"

    def __init__(self, paths: Sequence[Path]) -> None:
        """Takes the files in the order given, and looks at their shape.

        Raises:
            FileMissing: a file does not exist.
            FileUnreadable: a file is damaged, or has no such data set.
        """
        super().__init__(paths)
        for path in self._paths:
            with _particles(path):
                pass

    def _lacking(self) -> tuple[str, ...]:
        return (*_NEVER, *lacking_sums(FILLED_SUMS))

    def _sentences(self) -> tuple[str, ...]:
        return _SENTENCES

    def _count(self, path: Path) -> int:
        with _particles(path) as (particles, _):
            return len(particles)

    def _times(self, path: Path) -> Iterator[RawTimes]:
        with _particles(path) as (particles, ids):
            yield RawTimes(min(1, len(particles)), event=None if ids is None else ids[:1])

    def _chunks(self, path: Path, n_rows: int) -> Iterator[Chunk]:
        with _particles(path) as (particles, ids):
            step = _rows_at_once(particles, n_rows)
            for start in range(0, len(particles), step):
                values = particles[start : start + step]
                event = None if ids is None else ids[start : start + step]
                yield Chunk(RawTimes(len(values), event=event), _columns(values, Where(str(path), start)))


def _rows_at_once(particles: h5py.Dataset, n_rows: int) -> int:
    """Whole chunks of the file, as far as memory allows: a part of one costs as much as all of it."""
    rows_of_chunk = particles.chunks[0] if particles.chunks else 1
    most = max(1, _BYTES_AT_ONCE // (N_PARTICLES * len(FEATURES) * particles.dtype.itemsize))
    return int(rows_of_chunk * max(1, round(n_rows / rows_of_chunk))) if rows_of_chunk <= most else n_rows


@contextmanager
def _particles(path: Path) -> Iterator[tuple[h5py.Dataset, h5py.Dataset | None]]:
    with damage_told(path, Adc2021Source.format_name):
        file = h5py.File(path, "r", rdcc_nbytes=_CACHE_BYTES)
    with file:
        with damage_told(path, Adc2021Source.format_name):
            particles, ids = file.get(PARTICLES), file.get(EVENT_IDS)
            _check_shapes(path, particles, ids)
        yield particles, ids


def _check_shapes(path: Path, particles: Any, ids: Any) -> None:
    if not isinstance(particles, h5py.Dataset):
        raise FileUnreadable(path, f"has no data set '{PARTICLES}'", "give a file of ADC2021")
    if particles.shape[1:] != (N_PARTICLES, len(FEATURES)) or particles.dtype.kind != "f":
        what = f"data set '{PARTICLES}' is {particles.dtype} {particles.shape}, not floating-point (N, 19, 4)"
        raise FileUnreadable(path, what, "give a file of ADC2021")
    if ids is None:
        return
    if not isinstance(ids, h5py.Dataset) or ids.shape != particles.shape[:1] or ids.dtype.kind not in "iuf":
        what = f"'{EVENT_IDS}' is not one number for each of the {len(particles):,} crossings"
        raise FileUnreadable(path, what, "give a file of ADC2021")


def _columns(values: NDArray[np.floating[Any]], where: Where) -> dict[str, NDArray[Any]]:
    if not np.isfinite(values).all():
        row = int(np.argmax(~np.isfinite(values).all(axis=(1, 2))))
        raise BadValue(where.row(row), "a value is not a finite number", "fetch the file again")
    columns = {
        column: packed_slots(column, _objects(column, values[:, rows], class_, where), where)
        for column, (rows, class_) in PLACES.items()
    }
    return {**columns, "sums": _sums(values[:, 0], where)}


def _objects(column: str, values: NDArray[np.floating[Any]], class_: ParticleClass, where: Where) -> ObjectLists:
    """The particles of one kind, `(n, k, 4)`, in the bins of the trigger; padding has class 0."""
    classes = values[:, :, FEATURES.index("class")]
    filled = classes != 0
    _check_class(filled & (classes != class_), class_, where)
    pt, eta, phi = (values[:, :, k][filled] for k in range(3))
    scale = OBJECT_SCALES[column]
    energy = "pt" if column == "muon" else "et"
    fields = {energy: scale[energy].index(pt), "eta": scale["eta"].index(eta), "phi": scale["phi"].index(phi)}
    return ObjectLists(filled.sum(axis=1), fields)


def _sums(met: NDArray[np.floating[Any]], where: Where) -> NDArray[np.uint32]:
    classes = met[:, FEATURES.index("class")]
    _check_class(((classes != 0) & (classes != ParticleClass.MET))[:, np.newaxis], ParticleClass.MET, where)
    words = np.zeros((len(met), N_SUMS), np.uint32)
    for name in ("etm", "etmhf"):
        put_quantity(words, name, SUM_ET.index(met[:, 0]), where)
        put_quantity(words, f"{name}_phi", CALO_PHI.index(met[:, 2]), where)
    return words


def _check_class(wrong: NDArray[np.bool_], class_: ParticleClass, where: Where) -> None:
    if wrong.any():
        row = int(np.argmax(wrong.any(axis=1)))
        what = f"a particle stands where only class {class_.value} ({class_.name.lower()}) may stand"
        raise BadValue(where.row(row), what, "keep to rows 0 MET, 1–4 electrons, 5–8 muons, 9–18 jets")
