"""What is kept of generated interactions: stable particles, muons, and hadrons that may decay to muons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.events.simulation import species

MIN_PT_GEV: Final = 0.2
MAX_ETA: Final = 5.25
MIN_SOURCE_PT_GEV: Final = 2.0
MAX_SOURCE_ETA: Final = 3.0
ETA_STEP: Final = 1 / 6000
PHI_STEP: Final = 2 * np.pi / 65536
LATE_NS: Final = 4.0
"""Delay from which energy counts as late (tuned; the HCAL's timing bit of Run 3 looks for more than about 6 ns)."""
_ECAL_MM: Final = (1290.0, 3170.0)
"""Radius and half length of the calorimeters' inner face (CMS, JINST 3 S08004, sections 4 and 5)."""
_HCAL_END_MM: Final = (2950.0, 5500.0)
_LIGHT_MM_PER_NS: Final = 299.792
_DISPLACED_MM: Final = 3.0
_MAX_GENERATIONS: Final = 400


@dataclass(frozen=True)
class Interactions:
    """Interactions of one process, flat.

    Attributes:
        offsets: where each interaction's particles begin, `(n + 1,) int64`.
        pt: transverse momentum in GeV, `float16`.
        eta: pseudorapidity in `ETA_STEP`, `int16`: the direction in which the calorimeter is hit.
        phi: azimuth at birth in `PHI_STEP`, `uint16`.
        kind: `species.Kind` times the charge's sign, `LATE` added in absolute value, `int8`.
        source_offsets: where each interaction's muons and heavy hadrons begin, `(n + 1,) int64`.
        source_pt, source_eta, source_phi: their momenta, GeV and radian, `float32`.
        source_d0: transverse impact parameter in cm, `float32`.
        source_pdg: their PDG codes, `int32`.
        pthat: transverse momentum of the hard process in GeV, `(n,) float32`.
        weight: the generator's weight, `(n,) float32`.
        quarkonium: whether quarkonium is among what was born promptly, `(n,) bool`.
    """

    offsets: NDArray[np.int64]
    pt: NDArray[np.float16]
    eta: NDArray[np.int16]
    phi: NDArray[np.uint16]
    kind: NDArray[np.int8]
    source_offsets: NDArray[np.int64]
    source_pt: NDArray[np.float32]
    source_eta: NDArray[np.float32]
    source_phi: NDArray[np.float32]
    source_d0: NDArray[np.float32]
    source_pdg: NDArray[np.int32]
    pthat: NDArray[np.float32]
    weight: NDArray[np.float32]
    quarkonium: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.pthat)


def reduced(batch: Any) -> Interactions:
    """The interactions of one `Pythia.nextBatch` (awkward array)."""
    import awkward as ak

    table = _Table.of(batch)
    particles = _particles(table)
    sources = _sources(table)
    weights = ak.to_numpy(ak.firsts(batch.info.weights)).astype(np.float32)
    n = len(batch)
    return Interactions(
        offsets=_offsets(table.event[particles["row"]], n),
        **{name: particles[name] for name in ("pt", "eta", "phi", "kind")},
        source_offsets=_offsets(table.event[sources], n),
        source_pt=table.pt[sources].astype(np.float32),
        source_eta=table.eta[sources].astype(np.float32),
        source_phi=np.arctan2(table.py[sources], table.px[sources]).astype(np.float32),
        source_d0=_impact_parameter_cm(table, sources),
        source_pdg=table.pdg[sources].astype(np.int32),
        pthat=np.sqrt(ak.to_numpy(batch.info.pT2Hat)).astype(np.float32),
        weight=weights,
        quarkonium=_has_prompt_quarkonium(table, n),
    )


@dataclass(frozen=True)
class _Table:
    """The event records of a batch, flat; `mother` and `daughter` are rows of the table, -1 for none."""

    event: NDArray[np.int64]
    pdg: NDArray[np.int64]
    final: NDArray[np.bool_]
    mother: NDArray[np.int64]
    daughter: NDArray[np.int64]
    px: NDArray[np.float64]
    py: NDArray[np.float64]
    pz: NDArray[np.float64]
    energy: NDArray[np.float64]
    vertex_mm: NDArray[np.float64]

    @property
    def pt(self) -> NDArray[np.float64]:
        return np.hypot(self.px, self.py)

    @property
    def eta(self) -> NDArray[np.float64]:
        return np.asarray(np.arcsinh(self.pz / np.maximum(self.pt, 1e-9)))

    @classmethod
    def of(cls, batch: Any) -> _Table:
        import awkward as ak

        rows = batch.prt
        counts = ak.to_numpy(ak.num(rows.id))
        begin = np.repeat(np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)

        def flat(values: Any) -> NDArray[Any]:
            return np.asarray(ak.to_numpy(ak.flatten(values)))

        def link(values: Any) -> NDArray[np.int64]:
            index = flat(values).astype(np.int64)
            return np.where(index > 0, index + begin, -1)

        vertex = ak.flatten(rows.vProd)
        parts = [ak.to_numpy(ak.fill_none(vertex[name], 0.0)) for name in ("px", "py", "pz", "e")]
        return cls(
            event=np.repeat(np.arange(len(batch)), counts),
            pdg=flat(rows.id).astype(np.int64),
            final=flat(rows.status) > 0,
            mother=link(rows.mother1),
            daughter=link(rows.daughter1),
            px=flat(rows.p.px),
            py=flat(rows.p.py),
            pz=flat(rows.p.pz),
            energy=flat(rows.p.e),
            vertex_mm=np.stack(parts, axis=1),
        )


def _offsets(events: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(events, minlength=n))]).astype(np.int64)


def _particles(table: _Table) -> dict[str, NDArray[Any]]:
    """The stable particles that reach a calorimeter."""
    kinds = species.signed_kinds(table.pdg)
    rows = np.flatnonzero(table.final & (kinds != 0))
    rows = rows[table.pt[rows] > MIN_PT_GEV]
    kind, pt = kinds[rows], table.pt[rows]
    eta, phi = table.eta[rows], np.arctan2(table.py[rows], table.px[rows])
    vertex = table.vertex_mm[rows]
    far = np.flatnonzero((np.hypot(vertex[:, 0], vertex[:, 1]) > _DISPLACED_MM) | (np.abs(vertex[:, 2]) > 100.0))
    hit = _impacts(table, rows[far])
    pt[far], eta[far], phi[far] = hit["et"], hit["eta"], hit["phi"]
    kind[far] += (np.sign(kind[far]) * np.where(hit["late"], species.LATE, 0)).astype(np.int8)
    lost = np.zeros(len(rows), bool)
    lost[far] = hit["lost"]
    keep = ~lost & (pt > MIN_PT_GEV) & (np.abs(eta) < MAX_ETA)
    return {
        "row": rows[keep],
        "pt": np.minimum(pt[keep], 60000.0).astype(np.float16),
        "eta": np.round(eta[keep] / ETA_STEP).astype(np.int16),
        "phi": (np.round(phi[keep] / PHI_STEP).astype(np.int64) % 65536).astype(np.uint16),
        "kind": kind[keep],
    }


def _impacts(table: _Table, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Where particles born away from the beam hit the calorimeter, on straight lines, and how late."""
    momentum = np.stack([table.px[rows], table.py[rows], table.pz[rows]], axis=1)
    size = np.maximum(np.linalg.norm(momentum, axis=1), 1e-9)
    direction = momentum / size[:, None]
    vertex = table.vertex_mm[rows, :3]
    rho, z = np.hypot(vertex[:, 0], vertex[:, 1]), np.abs(vertex[:, 2])
    beyond = (rho > _ECAL_MM[0]) | (z > _ECAL_MM[1])
    path = np.where(beyond, 0.0, _path_mm(vertex, direction))
    point = vertex + path[:, None] * direction
    distance = np.maximum(np.linalg.norm(point, axis=1), 1.0)
    beta = np.minimum(size / np.maximum(table.energy[rows], 1e-9), 1.0)
    delay = (table.vertex_mm[rows, 3] + path / np.maximum(beta, 0.05) - distance) / _LIGHT_MM_PER_NS
    rho_hit = np.hypot(point[:, 0], point[:, 1])
    return {
        "et": np.hypot(table.px[rows], table.py[rows]) if not len(rows) else table.energy[rows] * rho_hit / distance,
        "eta": np.arcsinh(point[:, 2] / np.maximum(rho_hit, 1e-3)),
        "phi": np.arctan2(point[:, 1], point[:, 0]),
        "late": beyond | (delay > LATE_NS),
        "lost": (rho > _HCAL_END_MM[0]) | (z > _HCAL_END_MM[1]),
    }


def _path_mm(vertex: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """The way from a vertex inside to the calorimeter's face, in mm."""
    transverse = np.maximum((direction[:, :2] ** 2).sum(axis=1), 1e-12)
    along = (vertex[:, :2] * direction[:, :2]).sum(axis=1)
    inside = np.maximum(_ECAL_MM[0] ** 2 - (vertex[:, :2] ** 2).sum(axis=1), 0.0)
    to_barrel = (-along + np.sqrt(along**2 + transverse * inside)) / transverse
    slope = np.where(np.abs(direction[:, 2]) < 1e-12, 1e-12, direction[:, 2])
    to_endcap = (np.sign(slope) * _ECAL_MM[1] - vertex[:, 2]) / slope
    return np.asarray(np.minimum(to_barrel, np.maximum(to_endcap, 0.0)))


def _sources(table: _Table) -> NDArray[np.int64]:
    """Rows of muons that no heavy hadron decayed to, and of the outermost hadrons that are decayed anew."""
    near = (table.pt > MIN_SOURCE_PT_GEV) & (np.abs(table.eta) < MAX_SOURCE_ETA)
    code = np.abs(table.pdg)
    muons = np.flatnonzero(near & table.final & (code == species.MUON))
    hadrons = np.flatnonzero(near & np.isin(code, species.REDECAYED))
    daughters = table.daughter[hadrons]
    mixed = (daughters >= 0) & (code[daughters] == code[hadrons])
    candidates = np.concatenate([muons, hadrons[~mixed]])
    return np.sort(candidates[~_from_heavy_hadron(table, candidates)])


def _from_heavy_hadron(table: _Table, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows descend from another hadron that is decayed anew."""
    code = np.abs(table.pdg)
    again = np.isin(code, species.REDECAYED)
    found = np.zeros(len(rows), bool)
    at = table.mother[rows]
    for _ in range(_MAX_GENERATIONS):
        open_ = np.flatnonzero((at >= 0) & ~found)
        if not len(open_):
            break
        # A hadron that mixes stands twice in the record: it is not its own ancestor.
        itself = code[at[open_]] == code[rows[open_]]
        found[open_] = again[at[open_]] & ~itself
        at[open_] = table.mother[at[open_]]
    return found


def _impact_parameter_cm(table: _Table, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    x, y = table.vertex_mm[rows, 0], table.vertex_mm[rows, 1]
    moment = np.abs(x * table.py[rows] - y * table.px[rows])
    return np.asarray(moment / np.maximum(table.pt[rows], 1e-9) / 10.0, np.float32)


def _has_prompt_quarkonium(table: _Table, n: int) -> NDArray[np.bool_]:
    rows = np.flatnonzero(np.isin(np.abs(table.pdg), species.QUARKONIUM))
    prompt = rows[~_from_heavy_hadron(table, rows)]
    return np.bincount(table.event[prompt], minlength=n) > 0
