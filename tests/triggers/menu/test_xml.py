"""CMS menu XML becomes a menu, and damage becomes one clear sentence (`docs/menu-format.md`, section 2)."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.errors import BadValue, FileMissing, FileUnreadable, L1ChainError, MenuSyntax, UnknownName
from triggers.menu.load import load_menu
from triggers.menu.model import (
    CutKind,
    ExternalCondition,
    ObjectCondition,
    ObjectType,
    Operation,
    conditions_of,
)
from triggers.menu.xml import read_xml_menu

_LONGEST_LOAD_S = 0.3


def _cut(name: str, kind: str, object_name: str = "", minimum: float = 0, maximum: float = 0, data: str = "") -> str:
    return (
        f"<cut><name>{name}</name><object>{object_name}</object><type>{kind}</type>"
        f"<minimum>{minimum:+.16E}</minimum><maximum>{maximum:+.16E}</maximum><data>{data}</data></cut>\n"
    )


def _algorithm(name: str, expression: str, index: int | str, cuts: str = "") -> str:
    return (
        f"<algorithm><name>{name}</name><expression>{expression}</expression><index>{index}</index>"
        f"<module_id>0</module_id><module_index>0</module_index>{cuts}</algorithm>\n"
    )


def _signal(name: str, cable: int, channel: int) -> str:
    return (
        f"<ext_signal><name>{name}</name><system>X</system><cable>{cable}</cable><channel>{channel}</channel>"
        "</ext_signal>\n"
    )


def _scale(quantity: str, minimum: float, object_name: str = "MU") -> str:
    return (
        f"<scale><object>{object_name}</object><type>{quantity}</type><minimum>{minimum}</minimum>"
        f"<bin><number>0</number><minimum>{minimum}</minimum><maximum>0</maximum></bin></scale>\n"
    )


def _menu(
    *algorithms: str, signals: str = "", scales: str = "", scale_set: str = "scales_2024_05_15", prologue: str = ""
) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{prologue}'
        '<tmxsd:menu xmlns:tmxsd="http://www.cern.ch/tmxsd/1.0.0">\n'
        f"<name>L1Menu_test</name>\n{''.join(algorithms)}"
        f"<scale_set><name>{scale_set}</name>{scales}</scale_set>\n"
        f"<ext_signal_set><name>x</name>{signals}</ext_signal_set>\n"
        "</tmxsd:menu>\n"
    ).encode()


_QUALITY = _cut("MU-QLTY_SNGL", "QLTY", "MU", data="12, 13,14,15")
_PAIR = "comb{MU3[MU-QLTY_SNGL],MU0}[CHGCOR_OS]"
_GOOD = _algorithm("L1_Pair", _PAIR, 3, _QUALITY + _cut("CHGCOR_OS", "CHGCOR", "comb", data="1"))


def test_a_menu_has_its_algorithms_in_order_of_index() -> None:
    content = _menu(_algorithm("L1_B", "MU5", 511), _GOOD, _algorithm("L1_A", "EG10", 0))
    menu = read_xml_menu(content, "menu.xml")
    assert (menu.name, menu.source) == ("L1Menu_test", "menu.xml")
    assert [(a.index, a.name) for a in menu.algorithms] == [(0, "L1_A"), (3, "L1_Pair"), (511, "L1_B")]
    assert menu.digest == hashlib.sha256(content).hexdigest()
    pair = menu.algorithm("L1_Pair")
    assert pair is not None
    assert pair.text == _PAIR
    assert isinstance(pair.expression, ObjectCondition)
    quality = pair.expression.requirements[0].cuts[0]
    assert (quality.kind, quality.object, quality.values) == (CutKind.QUALITY, ObjectType.MU, ("12", "13", "14", "15"))
    charge = pair.expression.cuts[0]
    assert (charge.kind, charge.object, charge.values) == (CutKind.CHARGE_CORRELATION, None, ("os",))


def test_a_window_keeps_the_menus_numbers() -> None:
    cut = _cut("JET-ETA_2p52", "ETA", "JET", -2.5229999999999997, 2.5229999999999997)
    menu = read_xml_menu(_menu(_algorithm("L1_J", "JET35[JET-ETA_2p52]", 1, cut)), "menu.xml")
    condition = menu.algorithms[0].expression
    assert isinstance(condition, ObjectCondition)
    (window,) = condition.requirements[0].cuts
    assert (window.minimum, window.maximum) == (-2.5229999999999997, 2.5229999999999997)


def test_an_external_channel_is_64_times_the_cable_plus_the_channel() -> None:
    content = _menu(
        _algorithm("L1_X", "EXT_A.v0-1 OR EXT_Dummy OR EXT_Unlisted", 1),
        signals=_signal("A.v0", 1, 33) + _signal("Dummy", 6, 0),
    )
    expression = read_xml_menu(content, "menu.xml").algorithms[0].expression
    assert isinstance(expression, Operation)
    assert expression.operands == (
        ExternalCondition("EXT_A.v0", 97, -1),
        ExternalCondition("EXT_Dummy", None),
        ExternalCondition("EXT_Unlisted", None),
    )


@pytest.mark.parametrize(
    ("scale_set", "scales", "pt_offset", "upt_zero"),
    [
        ("CMS-IN-2013/XXX", _scale("ET", 0.0), 0, 1),
        ("2016-03-11", _scale("ET", -0.5), 1, 1),
        ("", _scale("ET", -0.5), 1, 1),
        ("scales_2020_10_04", _scale("ET", -0.5) + _scale("UPT", 0.0), 1, 0),
        ("scales_2021_03_02", _scale("ET", -0.5) + _scale("UPT", -1.0), 1, 1),
        ("scales_2024_05_15", _scale("ET", 0.0, "EG"), 1, 1),
        ("2015-10-13", "", 0, 1),
        ("scales_2020_10_04", "", 1, 0),
        ("scales_2024_99_99", "", 1, 1),
    ],
)
def test_the_conventions_follow_the_muon_scales_or_else_the_date(
    scale_set: str, scales: str, pt_offset: int, upt_zero: int
) -> None:
    menu = read_xml_menu(_menu(_GOOD, scale_set=scale_set, scales=scales), "menu.xml")
    assert menu.scales.name == scale_set
    assert (menu.scales.muon_pt_offset, menu.scales.unconstrained_pt_zero) == (pt_offset, upt_zero)


_ENTITIES = '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>\n'
_OTHER_QUALITY = _cut("MU-QLTY_SNGL", "QLTY", "MU", data="12")


@pytest.mark.parametrize(
    ("content", "error", "parts"),
    [
        (b"", FileUnreadable, ["not well-formed XML", "no element found"]),
        (b"name: a menu\n", FileUnreadable, ["line 1", "not well-formed XML"]),
        (_menu(_GOOD)[:-40], FileUnreadable, ["line", "not well-formed XML"]),
        (_menu(_GOOD).replace(b"</index>", b"</indx>"), FileUnreadable, ["line 4", "mismatched tag"]),
        (_menu(_GOOD).replace(b"UTF-8", b"no-such"), FileUnreadable, ["line 1", "not well-formed XML"]),
        (_menu(_GOOD, prologue=_ENTITIES), FileUnreadable, ["line 2", "document type", "remove it"]),
        (b"<html><body/></html>", MenuSyntax, ["line 1", "the root is <html>, expected <menu>"]),
        (b"<bin/>", MenuSyntax, ["the root is <bin>, expected <menu>"]),
        (_menu(), MenuSyntax, ["no algorithms"]),
        (_menu(_GOOD).replace(b"L1Menu_test", b""), MenuSyntax, ["<menu> lacks its <name>"]),
        (_menu("<algorithm><name>L1_X</name></algorithm>"), MenuSyntax, ["line 4", "L1_X lacks its <"]),
        (_menu(_algorithm("L1_X", "MU3", "")), MenuSyntax, ["algorithm> L1_X lacks its <index>"]),
        (_menu(_algorithm("L1_X", "", 1)), MenuSyntax, ["lacks its <expression>"]),
        (_menu(_algorithm("", "MU3", 1)), MenuSyntax, ["lacks its <name>"]),
        (_menu(_algorithm("L1_X", "MU3 OR", 1)), MenuSyntax, ["menu.xml, algorithm L1_X", "column 7"]),
        (_menu(_algorithm("L1_X", "MU3[NONE]", 1)), UnknownName, ["algorithm L1_X, column 5", "unknown cut 'NONE'"]),
        (_menu(_algorithm("L1_X", "MU3", "one")), BadValue, ["line 4", "<index> is 'one'"]),
        (_menu(_algorithm("L1_X", "MU3", -1)), BadValue, ["<index> is '-1'"]),
        (_menu(_algorithm("L1_X", "MU3", 512)), BadValue, ["line 4", "index 512 of L1_X", "0 to 511"]),
        (_menu(_GOOD, _algorithm("L1_X", "MU3", 3)), BadValue, ["line 7", "index 3 of L1_X belongs to L1_Pair"]),
        (_menu(_GOOD, _algorithm("L1_Pair", "MU3", 4)), BadValue, ["line 7", "a second algorithm L1_Pair"]),
        (_menu(_algorithm("L1 X", "MU3", 1)), BadValue, ["'L1 X' is not an algorithm name"]),
        (
            _menu(_GOOD, _algorithm("L1_X", "MU3", 1, _OTHER_QUALITY)),
            BadValue,
            ["cut MU-QLTY_SNGL", "another definition"],
        ),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A", "QLITY", "MU"))), UnknownName, ["unknown cut type 'QLITY'"]),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A", "QLTY", "MUON"))), UnknownName, ["unknown object 'MUON'"]),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A", "QLTY"))), MenuSyntax, ["cut> A lacks its <object>"]),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A", "QLTY", "EG", data="1"))), BadValue, ["one of MU; found EG"]),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A", "QLTY", "MU", data="16"))), BadValue, ["'16'", "0 to 15"]),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A", "QLTY", "MU"))), BadValue, ["lists no codes"]),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A", "ISO", "EG", data="1,,2"))), BadValue, ["'' is not a ISO code"]),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A", "CHGCOR", data="2"))), BadValue, ["cannot be '2'", "ls or os"]),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A", "MODEL", "AXO"))), BadValue, ["lacks the model's name"]),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A", "DR", data="5"))), BadValue, ["takes limits, found '5'"]),
        (
            _menu(_algorithm("L1_X", "MU3", 1, _cut("A", "DR").replace("+0.0000000000000000E+00", "wide", 1))),
            BadValue,
            ["line 4, cut A", "<minimum> is 'wide'"],
        ),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A", "DR", maximum=float("inf")))), BadValue, ["not finite"]),
        (_menu(_algorithm("L1_X", "MU3", 1, _cut("A B", "DR"))), BadValue, ["'A B' is not a name"]),
        (_menu(_GOOD, signals=_signal("A", 0, 1) * 2), BadValue, ["ext_signal A", "stands twice"]),
        (_menu(_GOOD, signals="<ext_signal><name>A</name></ext_signal>"), MenuSyntax, ["A lacks its <cable>"]),
    ],
)
def test_damage_is_one_sentence(content: bytes, error: type[L1ChainError], parts: list[str]) -> None:
    with pytest.raises(error) as caught:
        read_xml_menu(content, "menu.xml")
    message = str(caught.value)
    assert message.startswith("menu.xml")
    assert "\n" not in message
    for part in parts:
        assert part in message


_WHOLE = _menu(_GOOD, signals=_signal("A", 0, 1), scales=_scale("ET", -0.5))


@given(position=st.integers(0, len(_WHOLE) - 1), length=st.integers(0, 30), replacement=st.binary(max_size=8))
def test_any_damage_is_read_or_is_an_error_of_ours(position: int, length: int, replacement: bytes) -> None:
    with contextlib.suppress(L1ChainError):
        read_xml_menu(_WHOLE[:position] + replacement + _WHOLE[position + length :], "menu.xml")


def test_a_compressed_menu_is_the_same_menu_with_the_digest_of_its_file(tmp_path: Path) -> None:
    plain, packed = tmp_path / "menu.xml", tmp_path / "menu.xml.gz"
    plain.write_bytes(_menu(_GOOD))
    packed.write_bytes(gzip.compress(_menu(_GOOD), mtime=0))
    assert load_menu(packed).algorithms == load_menu(plain).algorithms
    assert load_menu(packed).digest == hashlib.sha256(packed.read_bytes()).hexdigest()


def test_content_decides_where_the_suffix_does_not(tmp_path: Path) -> None:
    path = tmp_path / "menu.txt"
    path.write_bytes(_menu(_GOOD))
    assert load_menu(path).name == "L1Menu_test"


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("menu.xml.gz", gzip.compress(_menu(_GOOD), mtime=0)[:-30], "the gzip data end too early"),
        ("menu.xml.gz", b"\x1f\x8b" + b"x" * 50, "damaged gzip data"),
        ("menu.xml.gz", gzip.compress(b" " * (65 << 20), 1, mtime=0), "more than 64 MiB"),
        ("menu.txt", b"L1_ZeroBias", "neither menu XML nor YAML"),
        ("menu.txt", b"", "neither menu XML nor YAML"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str, content: bytes, part: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileUnreadable, match=part):
        load_menu(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="no such menu"):
        load_menu(tmp_path / "none.xml")
    with pytest.raises(FileMissing, match=r"^shipped:.*no such menu"):
        load_menu("shipped:menus/none.yaml")
    with pytest.raises(FileUnreadable, match="directory"):
        load_menu(tmp_path)


@pytest.mark.conformance
def test_every_public_menu_loads_whole(conformance: Path) -> None:
    pairs = json.loads((conformance / "pairs.json").read_text())["pairs"]
    expected = {pair["menu"]: pair["n_algorithms"] for pair in pairs}
    found = {
        str(path.relative_to(conformance)): len(load_menu(path).algorithms)
        for folder in ("menus", "menus-latest")
        for path in sorted((conformance / folder).iterdir())
    }
    assert {name: found[name] for name in expected} == expected
    assert found["menus-latest/L1Menu_Collisions2025_v1_3_0.xml"] == 466
    assert found["menus-latest/L1Menu_Collisions2026_v1_1_0.dev.xml"] == 504


@pytest.mark.conformance
def test_a_real_menu_has_channels_and_scales(conformance: Path) -> None:
    menu = load_menu(conformance / "menus" / "L1Menu_Collisions2024_v1_2_0-d1.xml")
    zero_bias = menu.algorithm("L1_ZeroBias")
    assert zero_bias is not None
    assert zero_bias.expression == ExternalCondition("EXT_ZeroBias_BPTX_AND_VME", 4)
    assert (menu.scales.name, menu.scales.muon_pt_offset) == ("scales_2023_02_16", 1)
    unlisted = {
        condition.signal
        for algorithm in menu.algorithms
        for condition in conditions_of(algorithm.expression)
        if isinstance(condition, ExternalCondition) and condition.channel is None
    }
    assert not unlisted
    oldest = load_menu(conformance / "menus" / "L1Menu_Collisions2015_25nsStage1_v7_uGT_v3.xml.gz")
    assert oldest.scales.muon_pt_offset == 0


@pytest.mark.conformance
def test_reading_the_largest_menu_is_fast(conformance: Path) -> None:
    path = conformance / "menus-latest" / "L1Menu_Collisions2026_v1_1_0.dev.xml"
    times = []
    for _ in range(3):
        begin = time.thread_time()
        load_menu(path)
        times.append(time.thread_time() - begin)
    assert min(times) < _LONGEST_LOAD_S
