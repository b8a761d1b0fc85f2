"""What an hls4ml project consists of: its top-level function, namespace, emulator class, input scaling."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from firmware.imports.cpp import closing, namespaces_at, split_list, without_comments
from firmware.imports.declarations import Declarations, declarations
from firmware.imports.errors import ProjectInvalid
from firmware.imports.sources import Sources

SYNTHESIS: Final = "__SYNTHESIS__"
"""Where hls4ml asks for it, weights stand in headers if it is defined, and are read from text files if not."""
_EMULATOR: Final = re.compile(r"\bclass\s+(\w+)\s*(?:final\s*)?:\s*public\s+(?:::)?hls4mlEmulator::Model\b")
_FUNCTION: Final = re.compile(r"\bvoid\s+(\w+)\s*\(")
_LONGEST_PARAMETERS: Final = 4000
_MOST_FUNCTIONS: Final = 100
"""Of one unit; the top-level function stands in a short one."""
_LAYER: Final = re.compile(r"\bnnet::(?!convert_data|load_weights|save_|copy_|fill_)\w+\s*<|\bdense_da_\w+\s*<")
_PARAMETER: Final = re.compile(r"(?:const\s+)?([\w:]+(?:\s*<.*>)?)\s*&?\s*(\w+)\s*(?:\[(.*)\])?$")
_ARRAY_DECLARED: Final = re.compile(r"\bextern\s+(?:const\s+)?[\w:]+\s+(\w+)\s*\[")


@dataclass(frozen=True)
class Parameter:
    """An array that the top-level function is given: type, name, and how many elements, as text."""

    type: str
    name: str
    size: str


@dataclass(frozen=True)
class Function:
    """The top-level function: where it stands, and its text, preprocessed.

    Attributes:
        name: without its namespace.
        namespace: `a::b`, or nothing.
        unit: the file that defines it.
        given: its first parameter.
        made: its second parameter.
        body: the text between its brackets.
        declared: all that stands before it and around it.
    """

    name: str
    namespace: str
    unit: str
    given: Parameter
    made: Parameter
    body: str
    declared: Declarations


@dataclass(frozen=True)
class Emulator:
    """The class that CMS software calls, `: public hls4mlEmulator::Model`.

    Attributes:
        name: of the class, with its namespace.
        unit: the file that defines it.
        text: of the class, without comments.
        declared: what its file declares or includes.
    """

    name: str
    unit: str
    text: str
    declared: Declarations


@dataclass(frozen=True)
class Project:
    """All parts of a project.

    Attributes:
        sources: its files.
        top: its top-level function.
        emulator: the class around it, if there is one.
        scaling: the header with `ad_offsets` and `ad_shift`, or the like, if there is one.
        scaling_declared: what it declares.
        units: what has to be compiled, the emulator's file not among them.
        synthesis: whether `SYNTHESIS` has to be defined.
    """

    sources: Sources
    top: Function
    emulator: Emulator | None
    scaling: str | None
    scaling_declared: Declarations | None
    units: tuple[str, ...]
    synthesis: bool


def read_project(sources: Sources, where: str, top: str | None = None, namespace: str | None = None) -> Project:
    """Find the parts of a project.

    Args:
        sources: its files.
        where: the folder, for messages.
        top: the top-level function, if it has to be told.
        namespace: in which it is, if it has to be told.

    Raises:
        ProjectInvalid: there is no top-level function, or more than one.
        ProjectUnreadable: headers without end.
    """
    synthesis = any(SYNTHESIS in text for path, text in sources.files.items() if "nnet_utils" not in path)
    macros = {SYNTHESIS: "1"} if synthesis else {}
    emulators = [found for unit in sources.units if (found := _emulator(sources, unit, macros))]
    functions = _functions(sources, macros, top, namespace)
    if emulators:
        called = [f for f in functions if any(re.search(rf"\b{f.name}\s*\(", e.text) for e in emulators)]
        functions = called or functions
    function = _the_only(functions, where, top, namespace)
    around = [e for e in emulators if re.search(rf"\b{function.name}\s*\(", e.text)]
    if len(around) > 1:
        names = ", ".join(e.unit for e in around)
        raise ProjectInvalid(where, f"holds more than one emulator of {function.name} ({names})", "leave one of them")
    scaling = _scaling_header(sources, around[0].unit if around else None)
    units = _units_of_weights(sources, function)
    arrays = {name: a for unit in units for name, a in declarations(*sources.preprocessed(unit, macros)).arrays.items()}
    declared = replace(function.declared, arrays={**arrays, **function.declared.arrays})
    return Project(
        sources=sources,
        top=replace(function, declared=declared),
        emulator=around[0] if around else None,
        scaling=scaling,
        scaling_declared=declarations(*sources.preprocessed(scaling, macros)) if scaling else None,
        units=(function.unit, *units),
        synthesis=synthesis,
    )


def _emulator(sources: Sources, unit: str, macros: Mapping[str, str]) -> Emulator | None:
    own = without_comments(sources.files[unit])
    found = _EMULATOR.search(own)
    if found is None:
        return None
    start = own.find("{", found.end())
    end = closing(own, start) if start >= 0 else -1
    if end < 0:
        return None
    name = "::".join([*namespaces_at(own, found.start()), found[1]])
    return Emulator(name, unit, own[start : end + 1], declarations(*sources.preprocessed(unit, macros)))


def _functions(sources: Sources, macros: Mapping[str, str], top: str | None, namespace: str | None) -> list[Function]:
    """What could be the top-level function: it calls layers, and is given two arrays."""
    found: list[Function] = []
    for unit in sources.units:
        own = without_comments(sources.files[unit])
        if not _LAYER.search(own) or _EMULATOR.search(own):
            continue
        text, defined = sources.preprocessed(unit, macros)
        for match in islice(_FUNCTION.finditer(text), _MOST_FUNCTIONS):
            if top not in (None, match[1]):
                continue
            function = _function(text, match, unit, defined)
            if function is not None and namespace in (None, function.namespace):
                found.append(function)
    return found


def _function(text: str, match: re.Match[str], unit: str, macros: Mapping[str, str]) -> Function | None:
    end = closing(text, match.end() - 1, _LONGEST_PARAMETERS)
    start = text.find("{", end, end + _LONGEST_PARAMETERS) if end >= 0 else -1
    if start < 0 or text[end + 1 : start].strip():
        return None
    stop = closing(text, start)
    parameters = [p for part in split_list(text[match.end() : end]) if (p := _parameter(part))]
    if stop < 0 or len(parameters) != 2 or not _LAYER.search(text, start, stop):
        return None
    rest = text[: match.start()] + text[stop + 1 :]
    return Function(
        name=match[1],
        namespace="::".join(namespaces_at(text, match.start())),
        unit=unit,
        given=parameters[0],
        made=parameters[1],
        body=text[start + 1 : stop],
        declared=declarations(rest, macros),
    )


def _parameter(text: str) -> Parameter | None:
    found = _PARAMETER.match(" ".join(text.split()))
    return Parameter(found[1], found[2], found[3] or "1") if found else None


def _the_only(functions: Sequence[Function], where: str, top: str | None, namespace: str | None) -> Function:
    if len(functions) == 1:
        return functions[0]
    names = sorted({f"{f.namespace}::{f.name}" if f.namespace else f.name for f in functions})
    if not functions:
        wanted = " ".join(part for part in (namespace and f"namespace {namespace}", top and f"function {top}") if part)
        what = "holds no top-level function of hls4ml" + (f" ({wanted})" if wanted else "")
        raise ProjectInvalid(where, what, "name the folder with the .cpp file that calls the layers")
    what = f"holds {len(functions)} top-level functions: {', '.join(names)}"
    raise ProjectInvalid(where, what, "name the folder of one model, or one of them with --top and --namespace")


def _scaling_header(sources: Sources, emulator: str | None) -> str | None:
    """The header with the input scaling: what the emulator includes under that name, else the only one."""
    named = sorted(path for path in sources.files if posixpath.basename(path) == "scales.h")
    if emulator is not None:
        own = sources.found(emulator, "scales.h")
        return own if own in sources.needed([emulator]) else None
    return named[0] if len(named) == 1 else None


def _units_of_weights(sources: Sources, function: Function) -> list[str]:
    """The other files of the same folder that give values to arrays which the function only declares."""
    text = " ".join(sources.files[path] for path in sources.needed([function.unit]))
    missing = {name for name in _ARRAY_DECLARED.findall(without_comments(text)) if name not in function.declared.arrays}
    folder = posixpath.dirname(function.unit)
    return [
        unit
        for unit in sources.units
        if missing
        and unit != function.unit
        and posixpath.dirname(unit) == folder
        and any(re.search(rf"\b{name}\s*\[[^\]]*\]\s*=", without_comments(sources.files[unit])) for name in missing)
    ]
