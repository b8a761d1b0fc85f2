"""Prescale tables and factors (docs/decision.md, section "Prescales")."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from triggers.decision.prescales import factor_of, read_prescales, unprescaled
from triggers.errors import BadValue, FileMissing, FileUnreadable, UnknownName
from triggers.menu.model import Algorithm, ExternalCondition

TABLE = "Index,Name,Emergency,2p0E34\r\n0,L1_A,0,1\r\n7,L1_B,0,2.5\r\n"


def algorithm(index: int, name: str) -> Algorithm:
    return Algorithm(index, name, "EXT_x", ExternalCondition("x", 0))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("\ufeff" + TABLE, encoding="utf-8", newline="")
    return path


def test_factors_stand_at_the_menus_index_found_by_name(table: Path) -> None:
    factors = read_prescales(table).factors("2p0E34", [algorithm(3, "L1_A"), algorithm(511, "L1_B")])
    assert factors[3] == 100
    assert factors[511] == 250
    assert np.count_nonzero(factors) == 2


def test_a_column_that_is_off_is_zero(table: Path) -> None:
    assert not read_prescales(table).factors("Emergency", [algorithm(0, "L1_A")]).any()


def test_without_a_table_everything_passes() -> None:
    factors = unprescaled([algorithm(5, "L1_A")])
    assert factors[5] == 100
    assert factors.sum() == 100


def test_an_unknown_column_names_those_that_exist(table: Path) -> None:
    with pytest.raises(UnknownName, match="unknown prescale column '2p0E35'; use one of: 2p0E34"):
        read_prescales(table).factors("2p0E35", [])


def test_an_algorithm_without_a_row_is_named(table: Path) -> None:
    with pytest.raises(BadValue, match="no row for algorithm 'L1_C'"):
        read_prescales(table).factors("2p0E34", [algorithm(1, "L1_C")])


@pytest.mark.parametrize(
    ("text", "factor"), [("0", 0), ("1", 100), ("2.5", 250), ("1212.12", 121212), ("60000", 6000000)]
)
def test_factors_are_hundredths(text: str, factor: int) -> None:
    assert factor_of(text, "here") == factor


@pytest.mark.parametrize("text", ["-1", "0.5", "x", "", "nan", "inf", "1e30"])
def test_a_prescale_that_cannot_be_says_where(text: str) -> None:
    with pytest.raises(BadValue, match="^here: "):
        factor_of(text, "here")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Index,Name\n0,L1_A\n", "no header"),
        ("", "no header"),
        ("Index,Name,a\n0,L1_A\n", "line 2: 2 values, expected 3"),
        ("Index,Name,a\n0,L1_A,1\n1,L1_A,1\n", "line 3: algorithm 'L1_A' stands twice"),
    ],
)
def test_damaged_tables_are_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises((FileUnreadable, BadValue), match=message):
        read_prescales(path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match=r"nowhere\.csv"):
        read_prescales(tmp_path / "nowhere.csv")


@pytest.mark.conformance
def test_published_tables_are_read(conformance: Path) -> None:
    tables = sorted((conformance / "prescales").glob("*.csv"))
    assert tables
    for path in tables:
        columns = read_prescales(path).columns
        on = {name: np.count_nonzero(list(factors.values())) for name, factors in columns.items()}
        assert on["Emergency"] == min(on.values())
