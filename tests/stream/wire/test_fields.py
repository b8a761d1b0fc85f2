"""Fields of hostile payloads (docs/security.md, "Refused messages")."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ProtocolError, Refusal
from stream.wire.fields import Fields

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def test_fields_have_the_type_that_is_asked_for() -> None:
    fields = Fields({"t": "x", "n": 3, "f": True, "l": ["a", "b"], "m": {"inside": 1}, "null": None}, "here")
    assert (fields.text("t"), fields.number("n"), fields.flag("f")) == ("x", 3, True)
    assert fields.texts("l") == ("a", "b")
    assert fields.inner("m").number("inside") == 1
    assert fields.text("absent", "default") == "default"
    assert (fields.has("t"), fields.has("null"), fields.has("absent")) == (True, False, False)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [1], -1, 11, 10**30])
def test_a_number_is_an_integer_within_its_bounds(value: object) -> None:
    with pytest.raises(ProtocolError, match="field 'n' is no") as raised:
        Fields({"n": value}, "here").number("n", most=10)
    assert raised.value.reason is Refusal.JSON


@given(VALUES)
def test_whatever_a_field_holds_it_is_taken_or_refused(value: object) -> None:
    fields = Fields({"x": value}, "here")
    for read in (fields.text, fields.number, fields.flag, fields.texts, fields.mapping, fields.inner):
        try:
            read("x")
        except ProtocolError:
            continue
