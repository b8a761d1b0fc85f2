"""What a stage is sent follows the versions of its model (docs/protocol.md, "Changes")."""

from __future__ import annotations

import pytest

from stream.services.changes import Change
from stream.services.columns_sent import ColumnsSent, check_columns
from stream.services.model_changes import RunVersion
from triggers.errors import BadValue


def swap(number: int, lumi_section: int, *columns: str, model: str = "m") -> Change:
    version = RunVersion(model, f"v{number}", "0" * 64, "fixed", columns=columns)
    return Change(str(number), "swap", {"model": model, "version": version.as_json()}, lumi_section)


CHANGES = (
    swap(1, 5, "tau", "jet"),
    swap(2, 9, "jet"),
    swap(3, 12, "muon"),
    swap(4, 3, "regions", model="other"),
    Change("5", "shadow", {"model": "m", "version": None}, 2),
    Change("6", "prescale", {"column": "physics"}, 2),
)


@pytest.mark.parametrize("order", [CHANGES, CHANGES[::-1], CHANGES + CHANGES])
def test_columns_are_added_from_a_lumi_section_on_in_whatever_order_one_hears_of_it(order: tuple[Change, ...]) -> None:
    sent = ColumnsSent()
    for change in order:
        sent.follow(change)
    found = {n: sent.columns("score:m", ("jet", "eg"), n) for n in (1, 4, 5, 11, 12, 99)}
    assert found[1] == found[4] == ("jet", "eg")
    assert found[5] == found[11] == ("jet", "eg", "tau")
    assert found[12] == found[99] == ("jet", "eg", "muon", "tau")
    assert sent.columns("seeds", ("jet",), 99) == ("jet",)


def test_a_version_that_reads_what_the_source_lacks_is_refused() -> None:
    check_columns(swap(1, 0, "jet"), {"jet", "eg"}, "data.parquet")
    check_columns(CHANGES[-1], set(), "data.parquet")
    with pytest.raises(BadValue, match=r"m/v4: reads regions, which data\.parquet does not have"):
        check_columns(swap(4, 0, "jet", "regions"), {"jet", "eg"}, "data.parquet")
