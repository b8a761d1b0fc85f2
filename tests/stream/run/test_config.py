"""Configurations are typed and strict (docs/configuration.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.errors import OverrideInvalid
from stream.run.config import ChainConfig, load_config
from stream.wire.transport import Transport
from triggers.errors import BadValue, FileMissing, FileUnreadable, L1ChainError, UnknownName
from triggers.shipped import CONFIGS

SHIPPED = sorted((CONFIGS / "chains").glob("*.yaml"))
MINIMAL = "source: {format: synthetic}\nmenu: {path: shipped:menus/demo.yaml}\nrun: {lumi_sections: 1}\n"


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "chain.yaml"
    path.write_text(MINIMAL)
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_chain_loads(path: Path) -> None:
    config = load_config(path)
    assert Path(config.menu.path).is_file()
    assert load_config(f"shipped:chains/{path.name}") == config


def test_the_demo_and_the_benchmark_are_shipped() -> None:
    assert {path.stem for path in SHIPPED} >= {"demo", "bench"}


def test_overrides_reach_any_depth(minimal: Path) -> None:
    overrides = ("seeds.replicas=3", "transport=tcp", "scores=[{name: axol1tl}]", "scores.0.version=v2", "run.out=x")
    config = load_config(minimal, overrides)
    assert config.seeds.replicas == 3
    assert config.transport is Transport.TCP
    assert config.scores[0].version == "v2"
    assert config.run.out == Path("x").absolute()


def test_a_lumi_section_holds_bunches_times_orbits(minimal: Path) -> None:
    config = load_config(minimal, ("run.orbits_per_lumi_section=1024", "run.colliding_bunches=2544"))
    assert config.run.crossings_per_lumi_section == 2_605_056


def test_paths_are_relative_to_the_configuration(minimal: Path) -> None:
    (minimal.parent / "a.parquet").touch()
    config = load_config(minimal, ("source={paths: [a.parquet, '*.parquet']}",))
    assert config.source.paths == (str(minimal.parent / "a.parquet"), str(minimal.parent / "*.parquet"))


def test_a_configuration_survives_the_way_to_a_process(minimal: Path) -> None:
    config = load_config(minimal, ("budgets=[{name: a, algorithms: [ad], rate_hz: 100}]",))
    assert ChainConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("seds.replicas=3", UnknownName, "unknown key 'seds'; use one of: seeds"),
        ("run.orbits=3", UnknownName, r"chain\.yaml, run: unknown key 'orbits'"),
        ("scores=[{name: a, versoin: b}]", UnknownName, r"scores\.0: unknown key 'versoin'; use one of: version"),
        ("seeds.replicas=-1", BadValue, r"seeds\.replicas: found -1"),
        ("seeds.replicas=0", BadValue, "no replicas, and none may join"),
        ("transport=carrier-pigeon", BadValue, "'inproc', 'ipc' or 'tcp'"),
        ("run.lumi_sections=null", BadValue, "the source has no end"),
        ("source.paths=[x.parquet]", BadValue, "reads no paths"),
        ("source={}", BadValue, "no paths"),
        ("scores=[{name: a}, {name: a}]", BadValue, "two scores of one name"),
        ("metrics.address=here", BadValue, r"metrics\.address"),
        ("menu.path=nowhere.xml", FileMissing, r"nowhere\.xml: no such menu"),
        ("source={paths: ['none-*.txt']}", FileMissing, r"none-\*\.txt: no such source file"),
        ("seeds", OverrideInvalid, "not KEY=VALUE"),
        ("transport.x=1", OverrideInvalid, "no position|no keys below|unknown"),
        ("budgets.0.name=x", OverrideInvalid, "no position in a list|no keys"),
        ("seeds=[1, 2", OverrideInvalid, "not a YAML value"),
    ],
)
def test_what_is_not_allowed_is_one_sentence(
    minimal: Path, override: str, error: type[L1ChainError], message: str
) -> None:
    minimal.write_text(MINIMAL + "transport: ipc\nbudgets: []\n")
    with pytest.raises(error, match=message) as caught:
        load_config(minimal, (override,))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"[1, 2]", b"a: b: c", b"\xff\xfe\x00", b"run: {}\nrun: {}\n", b""])
def test_a_file_that_is_no_configuration_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises((BadValue, FileUnreadable), match=r"bad\.yaml"):
        load_config(path)


def test_a_missing_configuration_is_named() -> None:
    with pytest.raises(FileMissing, match=r"nowhere\.yaml: no such configuration"):
        load_config("nowhere.yaml")
