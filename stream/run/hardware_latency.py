"""How long a configured chain takes in hardware, for commands and run reports (`docs/firmware.md`, "Latency")."""

from __future__ import annotations

from firmware.build_requests import BuildRequest
from firmware.latency import ALL_ASSUMED, ChainLatency, FixedBlocks, chain_latency
from firmware.network_latency import network_block
from models.repository import open_repository
from stream.run.config import ChainConfig


def hardware_latency(
    config: ChainConfig, fixed: FixedBlocks = ALL_ASSUMED, request: BuildRequest | None = None, make: bool = True
) -> ChainLatency:
    """The latency of a chain's conditions and networks.

    Args:
        config: the chain; its `scores` name the networks.
        fixed: slots of what is in every chain, where they are known better than assumed.
        request: part and clock of the networks; those of the Global Trigger if not given.
        make: whether logic may be made of networks that have no build, which takes seconds.

    Raises:
        ModelError: a version is not there, or damaged.
    """
    repository = open_repository(config.models.repository)
    versions = [repository.load(score.name, score.version) for score in config.scores]
    return chain_latency({loaded.label: network_block(loaded, request, make) for loaded in versions}, fixed)
