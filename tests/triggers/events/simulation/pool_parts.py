"""A cache with a few hand-made interactions in each pool, so that tests need no generator."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from triggers.events.simulation import decays, pools
from triggers.events.simulation.process import Component, load_process
from triggers.events.simulation.record import ETA_STEP, PHI_STEP, Interactions
from triggers.events.simulation.species import REDECAYED, Kind

N_INTERACTIONS = 60
SIGMA_MB = {"soft": 77.0, "qcd_15_20": 1.4, "qcd_20_30": 0.6, "qcd_30_50": 0.15}


def interactions(n: int, n_particles: int, pt_gev: float, seed: int, with_muon: bool = False) -> Interactions:
    """`n` interactions of `n_particles` pions and photons, exponential in pT, and perhaps a muon of 20 GeV in each."""
    rng = np.random.default_rng(seed)
    total = n * n_particles
    charged = rng.choice([int(Kind.PHOTON), int(Kind.PION), -int(Kind.PION)], total)
    per_event = 1 if with_muon else 0
    return Interactions(
        offsets=np.arange(n + 1, dtype=np.int64) * n_particles,
        pt=(0.3 + rng.exponential(pt_gev, total)).astype(np.float16),
        eta=np.round(rng.uniform(-4.5, 4.5, total) / ETA_STEP).astype(np.int16),
        phi=(rng.uniform(0, 2 * np.pi, total) / PHI_STEP).astype(np.uint16),
        kind=charged.astype(np.int8),
        source_offsets=np.arange(n + 1, dtype=np.int64) * per_event,
        source_pt=np.full(n * per_event, 20.0, np.float32),
        source_eta=np.full(n * per_event, 0.5, np.float32),
        source_phi=np.full(n * per_event, 1.0, np.float32),
        source_d0=np.zeros(n * per_event, np.float32),
        source_pdg=np.full(n * per_event, 13, np.int32),
        pthat=np.full(n, 5.0, np.float32),
        weight=np.ones(n, np.float32),
        quarkonium=np.zeros(n, np.bool_),
    )


def write_pool(component: Component, folder: Path, content: Interactions, sigma_mb: float) -> None:
    """Put interactions into the cache as the pool of a component."""
    for path in pools.chunk_paths(component, folder):
        pools.write_arrays(path, {**vars(content), "sigma_mb": np.array([sigma_mb, 0.01 * sigma_mb])})


def limited(process: str, interactions_: int = 10) -> list[Component]:
    """The components of a process with one chunk each."""
    components = load_process(process)[1].components
    return [component.model_copy(update={"interactions": interactions_}) for component in components]


def write_cache(folder: Path, *processes: str) -> None:
    """A cache for zero bias and further processes, with decays in which every heavy hadron gives one muon."""
    for k, component in enumerate(limited("zero_bias")):
        hard = 0.6 + 2.0 * k
        content = interactions(N_INTERACTIONS, 60, hard, seed=k, with_muon=component.name == "electroweak")
        write_pool(component, folder, content, SIGMA_MB.get(component.name, 0.01))
    for process in processes:
        for component in limited(process):
            write_pool(component, folder, interactions(N_INTERACTIONS, 80, 8.0, 99, with_muon=True), 1e-6)
    n = len(REDECAYED)
    momenta = np.zeros((n, decays.MAX_MUONS, 3))
    momenta[:, 0, 2] = 1.0
    made = decays.MuonicDecays(
        codes=np.array(sorted(REDECAYED), np.int64),
        masses=np.full(n, 5.0),
        chances=np.full(n, 0.2),
        offsets=np.arange(n + 1, dtype=np.int64),
        count=np.ones(n, np.int64),
        momenta=momenta,
        charges=np.ones((n, decays.MAX_MUONS), np.int64),
    )
    pools.write_arrays(decays.decays_path(folder), asdict(made))
