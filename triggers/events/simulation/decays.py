"""Decays of heavy hadrons to muons in their rest frames, made once by Pythia and drawn from for every crossing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import FileUnreadable
from triggers.events.simulation import pools, species
from triggers.events.simulation.process import Component

DECAYS: Final = 8000
MAX_MUONS: Final = 4
_VERSION: Final = 1


@dataclass(frozen=True)
class MuonicDecays:
    """Decays with at least one muon, by species.

    Attributes:
        codes: PDG codes of the species, ascending, `(s,) int64`.
        masses: in GeV, `(s,) float64`.
        chances: of a decay with a muon, `(s,) float64`.
        offsets: where each species' decays begin, `(s + 1,) int64`.
        count: muons of each decay, `(d,) int64`.
        momenta: of the muons in the rest frame, GeV, `(d, MAX_MUONS, 3) float64`.
        charges: of the muons, for the species with positive code, `(d, MAX_MUONS) int64`.
    """

    codes: NDArray[np.int64]
    masses: NDArray[np.float64]
    chances: NDArray[np.float64]
    offsets: NDArray[np.int64]
    count: NDArray[np.int64]
    momenta: NDArray[np.float64]
    charges: NDArray[np.int64]


def decays_path(folder: Path) -> Path:
    """Where the decays are kept."""
    what = json.dumps([species.REDECAYED, DECAYS, MAX_MUONS, _VERSION])
    return folder / "decays" / f"{hashlib.sha256(what.encode()).hexdigest()[:16]}.npz"


def muonic_decays(folder: Path) -> MuonicDecays:
    """The decays, from the cache or made now (half a minute).

    Raises:
        FileUnreadable: the file of the cache is damaged.
        BadValue: Pythia is not installed, or the cache cannot be written.
    """
    path = decays_path(folder)
    if not path.exists():
        pools.write_arrays(path, _made())
    content = pools.read_arrays(path)
    try:
        return MuonicDecays(**{field.name: content[field.name] for field in fields(MuonicDecays)})
    except KeyError as error:
        raise FileUnreadable(path, "holds no decays", "remove it: it is made again") from error


def _made() -> dict[str, NDArray[Any]]:
    from triggers.events.simulation.generator import started

    settings = ("ProcessLevel:all = off", "ParticleDecays:mixB = off")
    pythia = started(Component(name="decays", pythia=settings), seed=1)
    codes = sorted(species.REDECAYED)
    counts, momenta, charges, chances, masses, numbers = [], [], [], [], [], []
    for code in codes:
        mass = pythia.particleData.m0(code)
        found = [muons for muons in (_muons_of(pythia, code, mass) for _ in range(DECAYS)) if muons]
        for muons in found:
            row = np.zeros((MAX_MUONS, 3))
            sign = np.zeros(MAX_MUONS, np.int64)
            for i, (charge, momentum) in enumerate(muons[:MAX_MUONS]):
                row[i], sign[i] = momentum, charge
            momenta.append(row)
            charges.append(sign)
            counts.append(min(len(muons), MAX_MUONS))
        masses.append(mass)
        chances.append(len(found) / DECAYS)
        numbers.append(len(found))
    return {
        "codes": np.array(codes, np.int64),
        "masses": np.array(masses),
        "chances": np.array(chances),
        "offsets": np.concatenate([[0], np.cumsum(numbers)]).astype(np.int64),
        "count": np.array(counts, np.int64),
        "momenta": np.array(momenta).reshape(-1, MAX_MUONS, 3),
        "charges": np.array(charges, np.int64).reshape(-1, MAX_MUONS),
    }


def _muons_of(pythia: Any, code: int, mass: float) -> list[tuple[int, tuple[float, float, float]]]:
    """Charge and momentum of the muons of one decay at rest."""
    import pythia8mc

    event = pythia.event
    event.reset()
    event.append(code, 1, 0, 0, pythia8mc.Vec4(0.0, 0.0, 0.0, mass), mass)
    if not pythia.next():
        return []
    muons = []
    for i in range(1, event.size()):
        particle = event[i]
        if particle.isFinal() and particle.idAbs() == species.MUON:
            charge = -1 if particle.id() > 0 else 1
            muons.append((charge, (particle.px(), particle.py(), particle.pz())))
    return muons
