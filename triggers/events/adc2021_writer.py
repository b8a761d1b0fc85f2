"""Writes crossings in the layout of ADC2021 (`docs/formats.md`, section "ADC2021")."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import h5py
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.events import packing
from triggers.events.crossings import column_view
from triggers.events.readers.adc2021 import FEATURES, N_PARTICLES, PARTICLES, PLACES, ParticleClass
from triggers.events.scales import CALO_PHI, SUM_ET, object_values
from triggers.events.word_lists import decided

_CLASSES: Final = ("MET_class_1", "Four_Ele_class_2", "Four_Mu_class_3", "Ten_Jet_class_4")
_ROWS_PER_CHUNK: Final = 4096


class Adc2021Writer:
    """One HDF5 file; of each kind, the objects of highest pT that the layout has room for, highest first."""

    def __init__(self, partial: Path) -> None:
        self._file = h5py.File(partial, "x")
        shape = (N_PARTICLES, len(FEATURES))
        self._particles = self._file.create_dataset(
            PARTICLES, (0, *shape), "f4", maxshape=(None, *shape), chunks=(_ROWS_PER_CHUNK, *shape), compression="gzip"
        )
        self._file["Particles_Names"] = [name.encode() for name in ("Pt", "Eta", "Phi", "Class")]
        self._file["Particles_Classes"] = [name.encode() for name in _CLASSES]

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes the next rows; context rows are left out."""
        rows = decided(batch)
        n = len(self._particles)
        self._particles.resize(n + rows.num_rows, axis=0)
        if rows.num_rows:
            self._particles[n:] = _particles(rows)

    def flush(self) -> None:
        """Nothing is pending."""

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


def _particles(rows: pa.RecordBatch) -> NDArray[np.float32]:
    values = np.zeros((rows.num_rows, N_PARTICLES, len(FEATURES)), np.float32)
    sums = column_view(rows.column("sums"))
    values[:, 0, 0] = SUM_ET.lower_edge(packing.sum_values(sums, "etmhf"))
    values[:, 0, 2] = _turned(CALO_PHI.centre(packing.sum_values(sums, "etmhf_phi")))
    values[:, 0, 3] = ParticleClass.MET
    for column, (places, class_) in PLACES.items():
        words = column_view(rows.column(column))
        energy = "pt" if column == "muon" else "et"
        index = packing.OBJECTS[column][energy].get(words)
        order = np.argsort(-index, axis=1, kind="stable")[:, : places.stop - places.start]
        chosen = np.take_along_axis(words, order, axis=1)
        physical = object_values(column, chosen)
        filled = np.take_along_axis(index, order, axis=1) > 0
        for k, name in enumerate((f"{energy}_gev", "eta", "phi_rad")):
            found = _turned(physical[name]) if name == "phi_rad" else physical[name]
            values[:, places, k] = np.where(filled, found, 0)
        values[:, places, 3] = np.where(filled, class_, 0)
    return values


def _turned(phi: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same angles from −π to π, as the data set has them."""
    return np.where(phi >= np.pi, phi - 2 * np.pi, phi)
