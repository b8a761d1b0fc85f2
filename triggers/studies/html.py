"""Pieces of a self-contained HTML page: text is escaped, nothing is fetched from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .87rem; }
th, td { padding: .2rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e4e4e4; }
th { border-bottom: 2px solid #999; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.verdict { background: #eef4fa; border-left: 4px solid #3f90da; padding: .6rem 1rem; font-size: 1.05rem; }
.warning { background: #fff4e0; border-left: 4px solid #ffa90e; padding: .4rem 1rem; }
.note { color: #555; } code { font-size: .85rem; overflow-wrap: anywhere; } pre { font-size: .8rem; overflow-x: auto; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; } figcaption { color: #555; font-size: .87rem; }
summary { cursor: pointer; color: #2b6ca3; }
"""
_UNITS: Final = ((1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz"))


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page; `parts` are HTML."""
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def heading(text: str, level: int = 2) -> str:
    """A heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph; `kind` may be `verdict`, `warning` or `note`."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], n_text: int = 1) -> str:
    """A table of text cells; the first `n_text` columns are words, the others numbers."""

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}>{escape(value)}</{tag}>" if place < n_text else f'<{tag} class="n">{escape(value)}</{tag}>'
            for place, value in enumerate(values)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in rows)
    return f"<table><thead><tr>{cells('th', header)}</tr></thead>\n<tbody>{body}</tbody></table>"


def figure(svg: str, caption: str) -> str:
    """A plot with what it shows."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def folded(title: str, content: str) -> str:
    """HTML that opens on a click."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def preformatted(text: str) -> str:
    """Text whose spaces count."""
    return f"<pre>{escape(text)}</pre>"


def rate_text(rate_hz: float | None, error_hz: float | None = None, sign: bool = False) -> str:
    """A rate in the unit that suits it, such as `1.23 ± 0.04 kHz`; `–` if unknown.

    Args:
        rate_hz: the rate.
        error_hz: its error, of which one or two significant digits are shown.
        sign: write a plus before positive ones.
    """
    if rate_hz is None:
        return "–"
    if rate_hz == 0:
        return "0"
    largest = max(abs(rate_hz), error_hz or 0.0)
    size, unit = next(((size, unit) for size, unit in _UNITS if largest >= size), _UNITS[-1])
    plus = "+" if sign else ""
    if error_hz is None:
        return f"{rate_hz / size:{plus}.3g} {unit}".replace("-", "−")
    digits = max(0, 1 - math.floor(math.log10(error_hz / size))) if error_hz > 0 else 1
    digits = min(digits, 4)
    return f"{rate_hz / size:{plus}.{digits}f} ± {error_hz / size:.{digits}f} {unit}".replace("-", "−")
