"""Cuts an expression into tokens, and names places in it (`docs/menu-format.md`, section 3)."""

from __future__ import annotations

import string
from enum import Enum, auto
from typing import NamedTuple

from triggers.errors import MenuSyntax

MARKS = frozenset("(){}[],")
WORD_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_.+-@:")
LONGEST_EXPRESSION = 8192
"""Characters; real menus stay below 1000."""

_EXCERPT_LENGTH = 20


class Position(NamedTuple):
    """A column of an expression; `str()` of it is the `where` of an error."""

    where: str
    column: int

    def __str__(self) -> str:
        return f"{self.where}, column {self.column}"


class TokenKind(Enum):
    """What a token is."""

    WORD = auto()
    MARK = auto()
    END = auto()


class Token(NamedTuple):
    """A word, a mark, or the end of the expression; columns count from 1."""

    kind: TokenKind
    text: str
    column: int


def is_word(text: str) -> bool:
    """Whether a name can stand in an expression."""
    return bool(text) and WORD_CHARACTERS.issuperset(text)


def tokenize(text: str, where: str) -> list[Token]:
    """The tokens of an expression, the last of which is its end.

    Raises:
        MenuSyntax: a character that no token contains, or too many of them.
    """
    if len(text) > LONGEST_EXPRESSION:
        raise MenuSyntax(
            where, f"the expression has {len(text)} characters, more than {LONGEST_EXPRESSION}", "split it"
        )
    tokens = []
    position = 0
    while position < len(text):
        start = position
        character = text[position]
        if character.isspace():
            position += 1
        elif character in MARKS:
            position += 1
            tokens.append(Token(TokenKind.MARK, character, start + 1))
        elif character in WORD_CHARACTERS:
            while position < len(text) and text[position] in WORD_CHARACTERS:
                position += 1
            tokens.append(Token(TokenKind.WORD, text[start:position], start + 1))
        else:
            raise MenuSyntax(where, f"unexpected character {character!r} at column {start + 1}", "remove it")
    tokens.append(Token(TokenKind.END, "", len(text.rstrip()) + 1))
    return tokens


def excerpt(text: str, column: int) -> str:
    """The place of a column in words: the text that stands there, or that the expression ends, on one line."""
    rest = " ".join(text[column - 1 :].split())
    if not rest:
        return f"at column {column}, where the expression ends"
    shown = rest if len(rest) <= _EXCERPT_LENGTH else rest[:_EXCERPT_LENGTH] + "…"
    return f"at column {column}, near '{shown}'"
