"""Runs many inputs through a target and keeps what says something new."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from stream.errors import ProtocolError
from tests.fuzz.mutator import inputs
from tests.fuzz.targets import Target, signature

CHUNK: Final = 10_000
_MAX_PARENTS: Final = 400


@dataclass
class Tally:
    """What became of the inputs of one target.

    Attributes:
        inputs: how many.
        taken: of them, those that were good after all.
        refused: the others, by reason.
        findings: inputs that raised something else, with what they raised.
        cpu_s: CPU time.
    """

    inputs: int = 0
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[bytes, str]] = field(default_factory=list)
    cpu_s: float = 0.0


def campaign(target: Target, count: int, seed: int, corpus: Path, keep: Path | None = None) -> Tally:
    """Read `count` mutated inputs.

    Args:
        target: the reader.
        count: of inputs.
        seed: the same one makes the same inputs.
        corpus: folder of inputs that earlier runs kept.
        keep: folder for inputs with a new signature; None keeps none.
    """
    parents = target.corpus(corpus)
    known = {signature(target, data) for data in parents}
    tally = Tally()
    begun = time.process_time()
    for chunk, start in enumerate(range(0, count, CHUNK)):
        rng = np.random.default_rng([seed, *target.name.encode(), chunk])
        for data in inputs(parents, rng, min(CHUNK, count - start)):
            if _read(target, data, tally) and len(parents) < _MAX_PARENTS:
                new = signature(target, data)
                if new not in known:
                    known.add(new)
                    parents.append(data)
                    if keep:
                        target.keep(data, keep)
    tally.cpu_s = time.process_time() - begun
    return tally


def _read(target: Target, data: bytes, tally: Tally) -> bool:
    """Read one input; whether its signature is worth a look."""
    tally.inputs += 1
    try:
        target.read(data)
    except ProtocolError as error:
        tally.refused[error.reason] += 1
        # Looking at each signature would cost more than the reading.
        return tally.refused[error.reason] < 1000 or tally.inputs % 64 == 0
    except Exception as error:  # noqa: BLE001 — that is what is looked for
        tally.findings.append((data, repr(error)))
        return False
    tally.taken += 1
    return tally.taken < 1000
