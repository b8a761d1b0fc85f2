"""The chain's latency in slots of 25 ns (docs/firmware.md, "Latency")."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("da4ml", reason="the extra [firmware] is not installed")

from firmware.build_requests import rtl_request
from firmware.builds import build
from firmware.latency import Block, FixedBlocks, Origin, chain_latency, slots_of_ticks
from firmware.network_latency import network_block
from models.network import NETWORK_FILE
from models.repository import LoadedVersion, Repository
from stream.cli.app import app
from tests.models.conftest import write_version
from tests.models.encoder_networks import encoder_document
from triggers.errors import BadValue


def _network(slots: int) -> Block:
    return Block("network", slots, Origin.BUILD)


def _version(folder: Path) -> LoadedVersion:
    write_version(folder, "small", "v1", {NETWORK_FILE: json.dumps(encoder_document(4, (3, 2))).encode()})
    return Repository(folder).load("small", "v1")


def test_conditions_take_the_five_slots_of_the_global_trigger() -> None:
    chain = chain_latency({}, FixedBlocks(objects=0, decision=0, accept=0))
    assert (chain.slots, chain.latency_ns) == (5, 125.0)


def test_a_network_of_two_slots_is_ready_with_the_conditions() -> None:
    assert chain_latency({"axol1tl/v4": _network(2)}).network_slack_slots == 0


def test_the_slowest_network_delays_the_decision() -> None:
    alone = chain_latency({})
    chain = chain_latency({"fast/v1": _network(1), "slow/v1": _network(7)})
    assert chain.paths["slow/v1"] - chain.paths["conditions"] == 5
    assert chain.paths["fast/v1"] - chain.paths["conditions"] == -1
    assert chain.slots == alone.slots + 5
    assert chain.network_slack_slots == -5


def test_what_is_left_of_the_budgets_is_counted_in_slots() -> None:
    chain = chain_latency({}, FixedBlocks(objects=100, decision=15, accept=41))
    assert chain.slots == 161
    assert chain.slack_slots == {"CMS Phase-1": -1, "CMS Phase-2": 339}


def test_every_number_says_where_it_comes_from() -> None:
    chain = chain_latency({"axol1tl/v4": _network(2)}, FixedBlocks(accept=30))
    origins = {block.name: block.origin for _, block in chain.blocks}
    assert origins["conditions"] is Origin.REFERENCE
    assert origins["network"] is Origin.BUILD
    assert origins["final OR to front end"] is Origin.STATED
    assert origins["collision to objects"] is Origin.ASSUMED


@pytest.mark.parametrize(("ticks", "clock_ns", "slots"), [(2, 25.0, 2), (4, 6.25, 1), (5, 6.25, 2), (1, 2.5, 1)])
def test_ticks_are_rounded_up_to_slots(ticks: int, clock_ns: float, slots: int) -> None:
    assert slots_of_ticks(ticks, clock_ns) == slots


def test_slots_below_zero_are_refused() -> None:
    with pytest.raises(BadValue, match="slots of decision"):
        FixedBlocks(decision=-1)


def test_a_network_takes_the_ticks_of_its_build_or_else_of_its_logic(tmp_path: Path) -> None:
    version, request = _version(tmp_path), rtl_request(clock_ns=10.0)
    from_logic = network_block(version, request)
    assert from_logic.origin is Origin.DESIGN
    made = build(version, request)
    from_build = network_block(version, request)
    assert (from_build.origin, from_build.slots) == (Origin.BUILD, from_logic.slots)
    assert from_build.slots == slots_of_ticks(made.ticks or 0, 10.0)


def test_the_build_of_another_version_does_not_count(tmp_path: Path) -> None:
    version, request = _version(tmp_path), rtl_request()
    record = build(version, request).folder / "build.json"
    record.write_text(record.read_text().replace(version.digest, "0" * 64))
    assert network_block(version, request, make=False).origin is Origin.ASSUMED


def test_the_command_shows_a_chain_of_the_configuration() -> None:
    ended = CliRunner().invoke(app, ["firmware", "latency", "shipped:chains/demo.yaml", "--json"])
    assert ended.exit_code == 0, ended.output
    shown = json.loads(ended.stdout)
    assert shown["latency_ns"] == 25 * shown["slots"]
    networks = {Repository().load(name, "production").label for name in ("axol1tl", "cicada")}
    assert {block["way"] for block in shown["blocks"]} == {"all", "conditions", *networks}
