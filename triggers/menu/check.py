"""Finds what is wrong or doubtful in a menu (`docs/menu-commands.md`, "check")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Final

from triggers.errors import FileMissing, L1ChainError
from triggers.menu.canonical import canonical
from triggers.menu.check_values import Finding, Severity, condition_findings
from triggers.menu.conditions.score import score_condition
from triggers.menu.conditions.support import obstacle
from triggers.menu.load import load_menu
from triggers.menu.model import Algorithm, Condition, Menu, conditions_of
from triggers.menu.reach import Reach, reach

_ORDER: Final = list(Severity)


def check_file(path: str | Path) -> tuple[Finding, ...]:
    """Everything that is found in a menu file, errors first; what cannot be read is a finding too.

    Raises:
        FileMissing: there is no such file.
    """
    errors: list[L1ChainError] = []
    found: list[Finding] = []
    try:
        found += check_menu(load_menu(path, errors.append))
    except FileMissing:
        raise
    except L1ChainError as error:
        errors.append(error)
    unread = [Finding(Severity.ERROR, error.where, f"{error.what}; {error.remedy}") for error in errors]
    return (*unread, *sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


def check_menu(menu: Menu) -> Iterator[Finding]:
    """What is wrong or doubtful in a menu that could be read."""
    yield from _values(menu)
    yield from _reach(menu)
    yield from _identical(menu)
    yield from _not_evaluated(menu)


def _values(menu: Menu) -> Iterator[Finding]:
    """Each cut and threshold once, with the algorithms that use it."""
    users: dict[tuple[Severity, str, str], dict[str, None]] = defaultdict(dict)
    known: dict[Condition, tuple[tuple[Severity, str, str], ...]] = {}
    for algorithm in menu.algorithms:
        for condition in conditions_of(algorithm.expression):
            if condition not in known:
                known[condition] = tuple(condition_findings(condition, menu.scales))
            for found in known[condition]:
                users[found][algorithm.name] = None
    for (severity, where, what), names in users.items():
        yield Finding(severity, where, what, tuple(names))


def _reach(menu: Menu) -> Iterator[Finding]:
    for algorithm in menu.algorithms:
        found = reach(algorithm.expression, menu.scales)
        if found is Reach.NEVER:
            yield Finding(Severity.ERROR, algorithm.name, "can never fire", (algorithm.name,))
        elif found is Reach.ALWAYS:
            yield Finding(Severity.WARNING, algorithm.name, "fires in every crossing", (algorithm.name,))


def _identical(menu: Menu) -> Iterator[Finding]:
    alike: dict[Hashable, list[Algorithm]] = defaultdict(list)
    for algorithm in menu.algorithms:
        alike[canonical(algorithm.expression)].append(algorithm)
    for algorithms in alike.values():
        if len(algorithms) > 1:
            names = tuple(algorithm.name for algorithm in algorithms)
            yield Finding(Severity.WARNING, names[0], f"means the same as {', '.join(names[1:])}", names)


def _not_evaluated(menu: Menu) -> Iterator[Finding]:
    """What l1chain cannot evaluate, and which scores it must be given."""
    scores: dict[str, dict[str, None]] = defaultdict(dict)
    everything = {
        wanted.score
        for algorithm in menu.algorithms
        for condition in conditions_of(algorithm.expression)
        if (wanted := score_condition(condition)) is not None
    }
    for algorithm in menu.algorithms:
        for condition in dict.fromkeys(conditions_of(algorithm.expression)):
            wanted = score_condition(condition)
            reason = obstacle(condition, everything)
            if reason is not None:
                yield Finding(Severity.WARNING, algorithm.name, f"is not evaluated: {reason}", (algorithm.name,))
            elif wanted is not None:
                scores[wanted.score][algorithm.name] = None
    for score, names in scores.items():
        yield Finding(Severity.NOTE, score, "is a network's score: evaluated where that version is given", tuple(names))
