"""What the documentation writes exists: commands, their options, the files that it links to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from stream.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "docker").rglob("*.md"))]
L1CHAIN: Any = typer.main.get_command(app)
ENDS_A_COMMAND = {"|", "&", "&&", ";", ">", "2>", "#"}


def commands_in(text: str) -> Iterator[list[str]]:
    """The words of every `l1chain …` in code, from the one behind `l1chain` on."""
    code = re.findall(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    code += [line for line in text.splitlines() if line.startswith("    ")]
    code += [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    for block in code:
        for line in block.replace("\\\n", " ").splitlines():
            for found in re.findall(r"(?:^|[\s$/])l1chain (?=[a-z])(.*)", line):
                words = re.sub(r"\"[^\"]*\"?|'[^']*'?", "text", found).split()
                end = next((k for k, word in enumerate(words) if word in ENDS_A_COMMAND), len(words))
                yield words[:end]


def options_of(command: Any) -> set[str]:
    """The options of a command; of a group, also those of all its commands."""
    own = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return own.union(*(options_of(each) for each in getattr(command, "commands", {}).values()))


def unknown_in(words: list[str]) -> str | None:
    """What of a command line the program does not have."""
    command = L1CHAIN
    for word in words:
        commands, names = getattr(command, "commands", {}), re.split(r"[|,/]", word)
        if not commands or not re.fullmatch(r"[a-z][a-z|,/-]*", word):
            break
        if missing := sorted(set(names) - set(commands)):
            return f"command {missing[0]}"
        command = commands[names[0]]
    given = {option for word in words for option in re.findall(r"(?:^|[\[|(])(--[a-z][a-z0-9-]*)", word)}
    missing = sorted(given - options_of(command) - {"--help"})
    return f"option {missing[0]}" if missing else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    found = {" ".join(words): unknown_in(words) for words in commands_in(page.read_text())}
    assert {line: unknown for line, unknown in found.items() if unknown} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def epilogs(command: Any) -> Iterator[str]:
    yield command.epilog or ""
    for each in getattr(command, "commands", {}).values():
        yield from epilogs(each)


def test_every_example_of_the_help_exists_with_its_options() -> None:
    examples = [" ".join(words) for text in epilogs(L1CHAIN) for words in commands_in(indented(text))]
    assert len(examples) > 20
    assert {line: unknown for line in examples if (unknown := unknown_in(line.split()))} == {}


def indented(text: str) -> str:
    return "".join(f"    {line.strip()}\n" for line in text.splitlines())


def test_what_does_not_exist_is_found() -> None:
    (words,) = commands_in("```console\n$ l1chain run shipped:chains/demo.yaml --paeg\n```\n")
    assert unknown_in(words) == "option --paeg"
    assert unknown_in(["modles", "list"]) == "command modles"
    assert unknown_in(["models", "list"]) is None
