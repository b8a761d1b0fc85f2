"""How long the chain takes from collision to L1 accept, in slots of 25 ns (`docs/firmware.md`, "Latency")."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from triggers.errors import BadValue

SLOT_NS: Final = 25.0
BUDGETS_NS: Final[Mapping[str, float]] = {"CMS Phase-1": 4_000.0, "CMS Phase-2": 12_500.0}
"""From collision to the L1 accept at the front end."""


_ROUNDING: Final = 1e-9


class Origin(StrEnum):
    """Where a number of ticks comes from."""

    REFERENCE = "Global Trigger"
    BUILD = "build"
    DESIGN = "da4ml pipeline"
    PUBLISHED = "published"
    STATED = "stated by the user"
    ASSUMED = "assumed"


@dataclass(frozen=True)
class Block:
    """One block of the chain.

    Attributes:
        name: what it is.
        slots: of 25 ns.
        origin: where the number comes from.
        note: what is known besides.
    """

    name: str
    slots: int
    origin: Origin
    note: str = ""

    @property
    def latency_ns(self) -> float:
        """In nanoseconds."""
        return self.slots * SLOT_NS


@dataclass(frozen=True)
class FixedBlocks:
    """The slots of what is in every chain.

    Attributes:
        objects: from collision to objects at the Global Trigger.
        decision: masks, prescales, final OR.
        accept: from final OR to the L1 accept at the front end.
    """

    objects: int | None = None
    decision: int | None = None
    accept: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadValue: one is negative.
        """
        for name, slots in vars(self).items():
            if slots is not None and slots < 0:
                raise BadValue(f"slots of {name}", f"{slots}", "use 0 or more")


ALL_ASSUMED: Final = FixedBlocks()
_OBJECTS: Final = Block("collision to objects", 100, Origin.ASSUMED, "detectors, links, calorimeter and muon triggers")
_NEIGHBOURS: Final = Block("neighbours in time", 2, Origin.REFERENCE, "GTL waits for two crossings more")
_CONDITIONS: Final = Block("conditions", 2, Origin.REFERENCE, "GTL")
_ALGORITHMS: Final = Block("algorithms", 1, Origin.REFERENCE, "GTL")
_DECISION: Final = Block("masks, prescales, final OR", 3, Origin.ASSUMED, "FDL")
_ACCEPT: Final = Block("final OR to front end", 40, Origin.ASSUMED, "trigger rules, distribution, fibres")


@dataclass(frozen=True)
class ChainLatency:
    """The blocks of a chain; networks run beside the conditions, and the slowest one counts.

    Attributes:
        before: blocks before conditions and networks.
        conditions: blocks of conditions without a network.
        networks: the blocks of each network, by its label.
        after: blocks after both.
    """

    before: tuple[Block, ...]
    conditions: tuple[Block, ...]
    networks: Mapping[str, tuple[Block, ...]]
    after: tuple[Block, ...]

    @property
    def paths(self) -> Mapping[str, int]:
        """Slots of each way from collision to L1 accept, by what it passes."""
        ends = _slots(self.before) + _slots(self.after)
        middles = {"conditions": self.conditions, **self.networks}
        return {name: ends + _slots(blocks) for name, blocks in middles.items()}

    @property
    def slots(self) -> int:
        """Of the slowest way."""
        return max(self.paths.values())

    @property
    def latency_ns(self) -> float:
        """Of the slowest way."""
        return self.slots * SLOT_NS

    @property
    def slack_slots(self) -> Mapping[str, int]:
        """Slots that the slowest way leaves of each budget; negative: it is too slow."""
        return {name: math.floor(budget / SLOT_NS) - self.slots for name, budget in BUDGETS_NS.items()}

    @property
    def network_slack_slots(self) -> int:
        """By how many slots the slowest network is faster than the conditions; negative: it delays the decision."""
        slowest = max((self.paths[name] for name in self.networks), default=self.paths["conditions"])
        return self.paths["conditions"] - slowest

    def as_record(self) -> dict[str, Any]:
        """For `--json` and run records."""
        return {
            "slot_ns": SLOT_NS,
            "slots": self.slots,
            "latency_ns": self.latency_ns,
            "paths": {name: {"slots": n, "latency_ns": n * SLOT_NS} for name, n in self.paths.items()},
            "slack_slots": dict(self.slack_slots),
            "network_slack_slots": self.network_slack_slots,
            "blocks": [
                {"way": way, "name": block.name, "slots": block.slots, "origin": block.origin, "note": block.note}
                for way, block in self.blocks
            ],
        }

    @property
    def blocks(self) -> tuple[tuple[str, Block], ...]:
        """All blocks in order, each with the way that it is on."""
        ways = [("all", self.before), ("conditions", self.conditions), *self.networks.items(), ("all", self.after)]
        return tuple((way, block) for way, blocks in ways for block in blocks)


def chain_latency(networks: Mapping[str, Block], fixed: FixedBlocks = ALL_ASSUMED) -> ChainLatency:
    """The latency of a chain with these networks.

    Args:
        networks: the block of each network by its label, such as `axol1tl/v4`; its last tick compares the score.
        fixed: slots that are known better than assumed here.
    """
    return ChainLatency(
        before=(_stated(_OBJECTS, fixed.objects), _NEIGHBOURS),
        conditions=(_CONDITIONS,),
        networks={label: (block,) for label, block in networks.items()},
        after=(_ALGORITHMS, _stated(_DECISION, fixed.decision), _stated(_ACCEPT, fixed.accept)),
    )


def _stated(block: Block, slots: int | None) -> Block:
    return block if slots is None else replace(block, slots=slots, origin=Origin.STATED)


def slots_of_ticks(ticks: int, clock_ns: float) -> int:
    """Whole slots that a number of clock periods takes."""
    return max(1, math.ceil(ticks * clock_ns / SLOT_NS - _ROUNDING))


def _slots(blocks: Iterable[Block]) -> int:
    return sum(block.slots for block in blocks)
