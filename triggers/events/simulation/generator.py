"""Runs Pythia 8 in processes, one for each chunk of a pool."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields
from typing import Any, Final

import numpy as np

from triggers.errors import BadValue
from triggers.events.simulation import pools
from triggers.events.simulation.process import Component
from triggers.events.simulation.record import Interactions, reduced

_BATCH: Final = 250
_EXTRA: Final = ("ParticleDecays:limitTau0 = off",)


def generate(jobs: Sequence[pools.Job], advance: Callable[[int], None], workers: int) -> None:
    """Generate the chunks of all jobs; each file appears when it is complete.

    Raises:
        BadValue: Pythia is missing, refuses a setting, finds no phase space, or a file cannot be written.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as executor:
        waiting = list(reversed(jobs))
        running: set[Future[int]] = set()
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    running.add(executor.submit(make_chunk, waiting.pop()))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    advance(future.result())
        except BrokenProcessPool:
            what = "a generating process ended unexpectedly"
            raise BadValue("pythia", what, "look for lack of memory, or use fewer workers") from None
        finally:
            for future in running:
                future.cancel()


def make_chunk(job: pools.Job) -> int:
    """Generate one chunk and write it; how many interactions it has.

    Raises:
        BadValue: as `generate`.
    """
    pythia = started(job.component, pools.seed_of(job.component, job.index))
    parts: list[Interactions] = []
    done = 0
    while done < pools.CHUNK:
        batch = pythia.nextBatch(min(_BATCH, pools.CHUNK - done))
        if not len(batch):
            raise BadValue(f"process {job.component.name}", "Pythia makes no event", "look at its settings")
        parts.append(reduced(batch))
        done += len(batch)
    info = pythia.infoPython()
    content = {field.name: _joined(parts, field.name) for field in fields(Interactions)}
    sigma = np.array([info.sigmaGen(), info.sigmaErr()], np.float64)
    pools.write_arrays(job.path, {**content, "sigma_mb": sigma})
    return done


def started(component: Component, seed: int) -> Any:
    """A generator that is ready for events.

    Raises:
        BadValue: Pythia is not installed, a setting is not known, or the process cannot be.
    """
    where = f"process {component.name}"
    try:
        import pythia8mc
    except ImportError:
        raise BadValue(where, "pythia8mc is not installed", "pip install 'l1chain[simulate]'") from None
    pythia = pythia8mc.Pythia("", False)
    own = ("Print:quiet = on", f"Beams:eCM = {pools.ECM_GEV:g}", "Random:setSeed = on", f"Random:seed = {seed}")
    for line in (*own, *_EXTRA, *component.settings):
        if not pythia.readString(line, False):
            raise BadValue(where, f"Pythia does not know '{line}'", "correct the setting")
    if component.suppress_small_pt:
        pythia.setUserHooksPtr(pythia8mc.SuppressSmallPT(1.0, 3, False))
    if not pythia.init():
        raise BadValue(where, "Pythia cannot start with these settings", "correct them: there may be no phase space")
    return pythia


def _joined(parts: Sequence[Interactions], name: str) -> Any:
    arrays = [getattr(part, name) for part in parts]
    if not name.endswith("offsets"):
        return np.concatenate(arrays)
    counts = np.concatenate([np.diff(array) for array in arrays])
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
