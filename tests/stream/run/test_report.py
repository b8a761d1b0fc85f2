"""How rates are written for people."""

from __future__ import annotations

import pytest

from stream.run.report import coverage, rate_text


@pytest.mark.parametrize(
    ("rate_hz", "error_hz", "text"),
    [
        (0, 3, "0"),
        (953, 12, "953 ± 12 Hz"),
        (4, 3, "4 ± 3 Hz"),
        (0.5, 0.5, "0.5 ± 0.5 Hz"),
        (1234, 46, "1.23 ± 0.05 kHz"),
        (28_608_552, 479_211, "28.6 ± 0.5 MHz"),
        (83_540, None, "83.5 kHz"),
        (165, None, "165 Hz"),
    ],
)
def test_rates_have_the_unit_and_digits_that_suit_them(rate_hz: float, error_hz: float | None, text: str) -> None:
    assert rate_text(rate_hz, error_hz) == text


def test_coverage_names_what_is_not_evaluated_by_reason() -> None:
    text = coverage("m", 5, {"L1_A": "no pairs", "L1_B": "no score", "L1_C": "no pairs"}).plain
    assert text.splitlines() == [
        "Menu m: 2 of 5 algorithms evaluated.",
        "  not evaluated (no pairs): L1_A, L1_C",
        "  not evaluated (no score): L1_B",
    ]
