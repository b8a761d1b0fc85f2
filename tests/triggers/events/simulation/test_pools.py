"""Pools in the cache: content-addressed, whole or not there, and damage is told."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from tests.triggers.events.simulation import pool_parts
from triggers.errors import BadValue, FileUnreadable
from triggers.events.simulation import pools
from triggers.events.simulation.detector import Response
from triggers.events.simulation.process import Component
from triggers.events.simulation.responses import load_responses

QCD = Component(name="qcd", pythia=("HardQCD:all = on",), pthat_gev=(30.0, 50.0))


def nothing(_: int) -> None:
    pass


def test_the_address_follows_from_what_is_generated_and_nothing_else():
    same = QCD.model_copy(update={"name": "other", "interactions": 99, "cross_section_factor": 1.2})
    assert pools.address(same) == pools.address(QCD)
    for changed in ({"pthat_gev": (30.0, 60.0)}, {"pythia": ("HardQCD:gg2gg = on",)}, {"suppress_small_pt": True}):
        assert pools.address(QCD.model_copy(update=changed)) != pools.address(QCD)


def test_a_larger_pool_begins_with_the_chunks_of_a_smaller_one(tmp_path: Path):
    small = pools.chunk_paths(QCD.model_copy(update={"interactions": 5000}), tmp_path)
    large = pools.chunk_paths(QCD.model_copy(update={"interactions": 12_000}), tmp_path)
    assert len(small) == 1
    assert len(large) == 3
    assert large[: len(small)] == small


def test_every_chunk_has_a_seed_of_its_own_that_pythia_takes():
    seeds = {pools.seed_of(QCD, index) for index in range(500)}
    assert len(seeds) == 500
    assert min(seeds) >= 1
    assert max(seeds) <= 900_000_000


def test_a_damaged_chunk_is_named_with_what_to_do(tmp_path: Path):
    pool_parts.write_pool(QCD, tmp_path, pool_parts.interactions(20, 30, 2.0, 1), 0.1)
    (path,) = pools.chunk_paths(QCD, tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(FileUnreadable, match="made again") as error:
        load_responses(QCD, Response(), tmp_path, nothing)
    assert str(path) in str(error.value)


def test_a_file_of_something_else_is_no_pool(tmp_path: Path):
    (path,) = pools.chunk_paths(QCD, tmp_path)
    pools.write_arrays(path, {"other": np.zeros(3)})
    with pytest.raises(FileUnreadable, match="no pool"):
        pools.read_chunk(path)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(BadValue, match="No space left"):
        pools.write_arrays(tmp_path / "pool" / "0000.npz", {"a": np.zeros(3)})
    assert not list((tmp_path / "pool").iterdir())


def test_interactions_of_another_component_are_dropped_and_the_cross_section_with_them(tmp_path: Path):
    content = pool_parts.interactions(100, 10, 2.0, 1)
    content.pthat[:25] = 20.0
    content.quarkonium[90:] = True
    soft = Component(
        name="soft",
        pythia=("SoftQCD:inelastic = on",),
        soft=True,
        pthat_gev=(0.0, 15.0),
        without_quarkonium=True,
        interactions=10,
    )
    pool_parts.write_pool(soft, tmp_path, content, 80.0)
    pool = load_responses(soft, Response(), tmp_path, nothing)
    assert len(pool.deposits) == 65
    assert pool.sigma_mb == pytest.approx(80.0 * 0.65)


def test_weights_of_the_generator_become_numbers(tmp_path: Path):
    content = pool_parts.interactions(4000, 2, 2.0, 1)
    content.weight[:2000] = 0.25
    component = QCD.model_copy(update={"interactions": 10})
    pool_parts.write_pool(component, tmp_path, content, 1.0)
    pool = load_responses(component, Response(), tmp_path, nothing)
    assert len(pool.deposits) == pytest.approx(2500, abs=100)
    assert pool.sigma_mb == pytest.approx(1.0)


def test_pythia_generates_a_chunk_that_is_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("pythia8mc")
    from triggers.events.simulation import generator

    monkeypatch.setattr(pools, "CHUNK", 30)
    first, second = (pools.Job(QCD, 0, tmp_path / name) for name in ("a.npz", "b.npz"))
    for job in (first, second):
        assert generator.make_chunk(job) == 30
    chunk, again = pools.read_chunk(first.path), pools.read_chunk(second.path)
    np.testing.assert_array_equal(chunk.interactions.pt, again.interactions.pt)
    assert ((chunk.interactions.pthat > 29) & (chunk.interactions.pthat < 51)).all()
    assert 0.05 < chunk.sigma_mb < 0.5


@pytest.mark.parametrize(
    ("settings", "says"),
    [(("HardQCD:al = on",), "does not know"), (("25:mayDecay = on",), "cannot start")],
)
def test_what_pythia_refuses_is_one_sentence(settings: tuple[str, ...], says: str):
    pytest.importorskip("pythia8mc")
    from triggers.events.simulation import generator

    with pytest.raises(BadValue, match=says):
        generator.started(Component(name="mine", pythia=settings), seed=1)
