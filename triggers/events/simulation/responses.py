"""Deposits of pooled interactions in the trigger towers, and what may become muons; cached beside the pools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue, FileUnreadable
from triggers.events.simulation import pools, species
from triggers.events.simulation.detector import RESPONSE_VERSION, Response, digest_of, record_of
from triggers.events.simulation.process import Component
from triggers.events.simulation.record import ETA_STEP, PHI_STEP, Interactions

_MIN_LIGHT_PT_GEV: Final = 2.0
_MAX_LIGHT_ETA: Final = 2.5
_PION_PDG: Final = 211
_KAON_PDG: Final = 321


@dataclass(frozen=True)
class Deposits:
    """Interactions as the detector sees them, flat.

    Attributes:
        offsets: where each interaction's deposits begin, `(n + 1,) int64`.
        tower, em, had: tower, and energies in `response_kernel.ENERGY_STEP`, `uint16`.
        source_offsets: where each interaction's sources of muons begin, `(n + 1,) int64`.
        source_pt, source_eta, source_phi: GeV, pseudorapidity, radian, `float32`.
        source_d0: transverse impact parameter in cm, `float32`.
        source_code: muons, pions, kaons and heavy hadrons, as signed PDG codes, `int32`.
    """

    offsets: NDArray[np.int64]
    tower: NDArray[np.uint16]
    em: NDArray[np.uint16]
    had: NDArray[np.uint16]
    source_offsets: NDArray[np.int64]
    source_pt: NDArray[np.float32]
    source_eta: NDArray[np.float32]
    source_phi: NDArray[np.float32]
    source_d0: NDArray[np.float32]
    source_code: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True)
class Pool:
    """A component ready for mixing.

    Attributes:
        name: of the component.
        deposits: its interactions.
        sigma_mb: cross section of what is left after the cuts, in millibarn.
        sigma_error_mb: its statistical error.
    """

    name: str
    deposits: Deposits
    sigma_mb: float
    sigma_error_mb: float


def load_responses(component: Component, response: Response, folder: Path, advance: Callable[[int], None]) -> Pool:
    """The pool of a component as the detector sees it; computed and kept where it is not in the cache.

    Raises:
        FileUnreadable: the pool is damaged.
        BadValue: nothing passes the component's cuts, or the cache cannot be written.
    """
    parts: list[Deposits] = []
    passed, sigmas, errors = [], [], []
    n_wanted = component.interactions
    for path in pools.chunk_paths(component, folder):
        marks = digest_of(response, RESPONSE_VERSION), f"{component.pthat_gev}-{component.without_quarkonium}"
        kept = folder / "responses" / f"{path.parent.name}-{marks[0]}" / f"{path.stem}-{_slug(marks[1])}.npz"
        if not kept.exists():
            _respond(pools.read_chunk(path), component, response, kept, pools.seed_of(component, int(path.stem)))
        arrays = pools.read_arrays(kept)
        try:
            share, sigma, error = arrays.pop("cross_section")
            part = Deposits(**{f.name: arrays[f.name] for f in fields(Deposits)})
        except (KeyError, ValueError) as problem:
            raise FileUnreadable(kept, "holds no deposits", "remove it: it is made again") from problem
        parts.append(part)
        passed.append(share)
        sigmas.append(sigma)
        errors.append(error)
        advance(min(pools.CHUNK, n_wanted))
    deposits = joined_deposits(parts)
    if not len(deposits):
        raise BadValue(f"process {component.name}", "no interaction passes its cuts", "widen pthat_gev")
    factor = component.cross_section_factor * float(np.mean(passed))
    error = float(np.sqrt(np.sum(np.square(errors)))) / len(errors)
    return Pool(component.name, deposits, float(np.mean(sigmas)) * factor, error * factor)


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text)


def _respond(chunk: pools.Chunk, component: Component, response: Response, path: Path, seed: int) -> None:
    from triggers.events.simulation import response_kernel

    interactions = chunk.interactions
    keep = _kept(interactions, component, seed)
    n_particles = len(interactions.pt)
    out_offsets = np.zeros(len(interactions) + 1, np.int64)
    tower, em, had = (np.zeros(2 * n_particles, np.uint16) for _ in range(3))
    response_kernel.respond(
        np.uint64(seed),
        interactions.offsets,
        interactions.pt.astype(np.float32),
        interactions.eta,
        interactions.phi,
        interactions.kind,
        record_of(response),
        out_offsets,
        tower,
        em,
        had,
    )
    rows, offsets = _selected(out_offsets, keep)
    content = {"offsets": offsets, "tower": tower[rows], "em": em[rows], "had": had[rows]}
    sources = _muon_sources(interactions)
    rows, source_offsets = _selected(sources.pop("offsets"), keep)
    content |= {"source_offsets": source_offsets, **{f"source_{k}": v[rows] for k, v in sources.items()}}
    # The weight's mean is in the generator's cross section already.
    share = float(_passes(interactions, component).mean())
    pools.write_arrays(path, {**content, "cross_section": np.array([share, chunk.sigma_mb, chunk.sigma_error_mb])})


def _passes(interactions: Interactions, component: Component) -> NDArray[np.bool_]:
    """Which interactions are the component's own, and not another's."""
    keep = np.ones(len(interactions), bool)
    if component.pthat_gev is not None and component.soft:
        low, high = component.pthat_gev
        keep &= interactions.pthat >= low
        if high is not None:
            keep &= interactions.pthat < high
    if component.without_quarkonium:
        keep &= ~interactions.quarkonium
    return keep


def _kept(interactions: Interactions, component: Component, seed: int) -> NDArray[np.int64]:
    """Rows that pass the cuts; generators' weights are turned into numbers by accept-reject."""
    keep = _passes(interactions, component)
    weight = interactions.weight / max(float(interactions.weight.max()), 1e-30)
    if (weight < 1).any():
        keep &= np.random.default_rng(seed).random(len(interactions)) < weight
    return np.flatnonzero(keep)


def _selected(offsets: NDArray[np.int64], keep: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of the kept groups, and the offsets of those groups among them."""
    counts = np.diff(offsets)[keep]
    new = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = np.repeat(offsets[keep] - new[:-1], counts) + np.arange(new[-1])
    return rows, new


def _muon_sources(interactions: Interactions) -> dict[str, NDArray[Any]]:
    """Muons and heavy hadrons of the record, with the pions and kaons that may decay in flight."""
    kind = np.abs(interactions.kind)
    eta = interactions.eta * ETA_STEP
    light = ((kind == species.Kind.PION) | (kind == species.Kind.KAON)) & (np.abs(eta) < _MAX_LIGHT_ETA)
    rows = np.flatnonzero(light & (interactions.pt > _MIN_LIGHT_PT_GEV))
    n = len(interactions)
    light_event = np.searchsorted(interactions.offsets, rows, side="right") - 1
    heavy_event = np.repeat(np.arange(n), np.diff(interactions.source_offsets))
    event = np.concatenate([heavy_event, light_event])
    order = np.argsort(event, kind="stable")
    code = np.where(kind[rows] == species.Kind.PION, _PION_PDG, _KAON_PDG) * np.sign(interactions.kind[rows])
    phi = interactions.phi[rows] * PHI_STEP
    joined = {
        "pt": (interactions.source_pt, interactions.pt[rows].astype(np.float32)),
        "eta": (interactions.source_eta, eta[rows].astype(np.float32)),
        "phi": (interactions.source_phi, phi.astype(np.float32)),
        "d0": (interactions.source_d0, np.zeros(len(rows), np.float32)),
        "code": (interactions.source_pdg, code.astype(np.int32)),
    }
    offsets = np.concatenate([[0], np.cumsum(np.bincount(event, minlength=n))]).astype(np.int64)
    return {"offsets": offsets, **{name: np.concatenate(pair)[order] for name, pair in joined.items()}}


def joined_deposits(parts: Sequence[Deposits]) -> Deposits:
    """Several groups of interactions as one, in their order."""
    content: dict[str, NDArray[Any]] = {}
    for field in fields(Deposits):
        arrays = [getattr(part, field.name) for part in parts]
        if field.name.endswith("offsets"):
            counts = np.concatenate([np.diff(array) for array in arrays])
            content[field.name] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        else:
            content[field.name] = np.concatenate(arrays)
    return Deposits(**content)
