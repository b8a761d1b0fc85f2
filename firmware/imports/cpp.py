"""C++ text as hls4ml projects have it: comments, conditions, brackets, integer expressions. No compiler."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Final

from firmware.imports.errors import ProjectUnreadable

_COMMENT: Final = re.compile(r'//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
_DIRECTIVE: Final = re.compile(r"\s*#\s*(\w+)\s*(.*)")
_NAME: Final = re.compile(r"[A-Za-z_]\w*")
_DEFINED: Final = re.compile(r"(!?)\s*defined\s*\(?\s*(\w+)\s*\)?")
_INCLUDE: Final = re.compile(r'"([^"]+)"|<([^>]+)>')
_OPENING: Final = {"(": ")", "{": "}", "[": "]", "<": ">"}
_LONGEST_EXPRESSION: Final = 200
_LONGEST_TEXT: Final = 64 << 20
"""Characters read for one unit, headers counted as often as they are included."""


def without_comments(text: str) -> str:
    """The text with a blank for each comment; strings stay."""
    return _COMMENT.sub(lambda found: " " if found[0].startswith("/") else found[0], text)


def includes(text: str) -> list[str]:
    """What a file includes, whatever the conditions; comments do not count."""
    lines = (_DIRECTIVE.match(line) for line in without_comments(text).split("\n"))
    wanted = (_INCLUDE.match(line[2]) for line in lines if line and line[1] == "include")
    return [found[1] or found[2] for found in wanted if found]


class Preprocessor:
    """Follows conditions and includes, and collects macros that stand for something.

    Attributes:
        macros: text by name; of those without parameters.
    """

    def __init__(self, macros: Mapping[str, str], included: Callable[[str, str], tuple[str, str] | None]) -> None:
        """Starts.

        Args:
            macros: defined from the beginning.
            included: from the file that includes and the name it states to path and text; None: passed over.
        """
        self.macros = dict(macros)
        self._included = included
        self._open: list[str] = []
        self._read = 0

    def text(self, path: str, content: str) -> str:
        """What is left for the compiler: without directives and comments, includes in their places.

        Raises:
            ProjectUnreadable: headers include each other so often that the text has no end.
        """
        if path in self._open:
            return ""
        self._read += len(content)
        if self._read > _LONGEST_TEXT:
            raise ProjectUnreadable(path, f"has more than {_LONGEST_TEXT >> 20} MiB with what it includes")
        self._open.append(path)
        parts: list[str] = []
        taken: list[tuple[bool, bool]] = []  # of each open condition: this branch counts; one has counted
        for line in without_comments(content).replace("\\\n", " ").split("\n"):
            directive = _DIRECTIVE.match(line) if "#" in line else None
            live = all(branch for branch, _ in taken)
            if directive is None:
                if live:
                    parts.append(line)
            elif directive[1] in ("if", "ifdef", "ifndef", "elif", "else", "endif"):
                self._condition(directive[1], directive[2], taken)
            elif live:
                parts.append(self._directive(path, directive[1], directive[2]))
        self._open.pop()
        return "\n".join(parts)

    def _condition(self, word: str, rest: str, taken: list[tuple[bool, bool]]) -> None:
        if word in ("if", "ifdef", "ifndef"):
            holds = self._holds(word, rest)
            taken.append((holds, holds))
        elif taken and word in ("elif", "else"):
            _, had = taken.pop()
            holds = not had and (word == "else" or self._holds("if", rest))
            taken.append((holds, had or holds))
        elif taken:
            taken.pop()

    def _holds(self, word: str, rest: str) -> bool:
        name = _NAME.match(rest)
        if word != "if":
            return bool(name and name[0] in self.macros) == (word == "ifdef")
        tests = _DEFINED.findall(rest)
        if tests and "||" in rest:
            return any((name in self.macros) != bool(negated) for negated, name in tests)
        if tests:
            return all((name in self.macros) != bool(negated) for negated, name in tests)
        return rest.strip() != "0"

    def _directive(self, path: str, word: str, rest: str) -> str:
        name = _NAME.match(rest)
        if word == "include" and (wanted := _INCLUDE.match(rest)):
            found = self._included(path, wanted[1] or wanted[2])
            return self.text(*found) if found else ""
        if name and word == "define" and rest[name.end() : name.end() + 1] != "(":
            self.macros[name[0]] = rest[name.end() :].strip()
        elif name and word == "undef":
            self.macros.pop(name[0], None)
        return ""


def closing(text: str, start: int, most: int = _LONGEST_TEXT) -> int:
    """Where the bracket that opens at `start` is closed; −1: nowhere within `most` characters.

    Other kinds of brackets do not matter.
    """
    opening, depth = text[start], 0
    brackets = re.compile(f"[{re.escape(opening + _OPENING[opening])}]")
    for found in brackets.finditer(text, start, start + most):
        depth += 1 if found[0] == opening else -1
        if not depth:
            return found.start()
    return -1


def split_list(text: str) -> list[str]:
    """The parts between the commas that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for i, sign in enumerate(text):
        if sign in _OPENING:
            depth += 1
        elif sign in ")}]>":
            depth -= 1
        elif sign == "," and not depth:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if parts or last else []


def namespaces_at(text: str, position: int) -> tuple[str, ...]:
    """The namespaces around a position, the outermost first."""
    open_brackets: list[str] = []
    for found in re.finditer(r"namespace\s+([\w:]+)\s*\{|[{}]", text[:position]):
        if found[0] != "}":
            open_brackets.append(found[1] or "")
        elif open_brackets:
            open_brackets.pop()
    return tuple(name for name in open_brackets if name)


def integer(text: str, values: Mapping[str, int]) -> int:
    """The value of an integer expression of numbers, names, + − * / and brackets.

    Raises:
        ProjectUnreadable: it is another one, or has a name without a value.
    """
    plain = re.sub(r"(?<=\d)[uUlL]+\b", "", text.strip())
    try:
        if len(plain) > _LONGEST_EXPRESSION:
            raise ValueError
        return _value(ast.parse(plain, mode="eval").body, values)
    except (ValueError, SyntaxError, KeyError, ZeroDivisionError, RecursionError, MemoryError):
        raise ProjectUnreadable("expression", f"'{plain[:60]}' has no value that can be read") from None


def _value(node: ast.expr, values: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(value)):
            return int(value)
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left, values) + _value(right, values)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _value(left, values) - _value(right, values)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _value(left, values) * _value(right, values)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _value(left, values) // _value(right, values)
    raise ValueError
