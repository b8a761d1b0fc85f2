"""The C++ between a project and its worker: inputs in, scores out, as integers (`docs/models-import.md`)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Final

from firmware.imports.cpp import namespaces_at
from firmware.imports.declarations import Declarations
from firmware.imports.description import scaling_names, sums_squares
from firmware.imports.errors import ProjectInvalid
from firmware.imports.project import SYNTHESIS, Emulator, Project
from models.fixed_point import Overflow, Rounding

FACTS_FUNCTION: Final = "l1chain_facts"
SCORE_FUNCTION: Final = "l1chain_score"
N_FACTS: Final = 12
"""n_inputs, n_outputs, then bits, integer bits, sign, rounding, overflow of inputs and of the score."""
_ANY_CAST: Final = re.compile(r"\bany_cast\s*<")
_METHOD: Final = r"\bvoid\s+{name}\s*\(\s*(?:const\s+)?std::any\s*&?\s*(\w+)\s*\)"
_EMULATOR_HEADER: Final = """\
#pragma once
#include <any>
#include <cstdint>
#include <memory>
#include <string>
namespace hls4mlEmulator {
class Model {
  public:
    virtual void prepare_input(std::any input) = 0;
    virtual void predict() = 0;
    virtual void read_result(std::any result) = 0;
    virtual ~Model() = default;
};
}  // namespace hls4mlEmulator
"""
SUPPORT_HEADERS: Final = {"emulator.h": _EMULATOR_HEADER, "hls4ml/emulator.h": '#include "../emulator.h"\n'}
"""The interface that emulator classes implement, for those that do not bring it."""
_STANDARD: Final = (
    "any", "array", "cmath", "cstddef", "cstdint", "cstdio", "cstdlib", "fstream", "iostream", "iterator", "map",
    "memory", "sstream", "string", "type_traits", "utility", "vector",
)  # fmt: skip
_STUBS: Final = "nnet_utils/nnet_function_stubs.h"
_SHIFT: Final = "bit_shift"
_SHIFT_DEFINED: Final = "> bit_shift("
_DISTRIBUTED: Final = re.compile(r"\bvoid\s+dense_da_\w+\s*\(")
_HELPERS: Final = "nnet_utils/nnet_helpers.h"
_TYPES: Final = ("ap_int.h", "ap_fixed.h", "hls_stream.h")
_TEMPLATES: Final = """
namespace l1chain_bridge {
constexpr int kRounding[] = {ROUNDINGS};
constexpr int kOverflow[] = {OVERFLOWS};
template <int N> constexpr int place(const int (&modes)[N], int mode) {
    for (int i = 0; i < N; i++)
        if (modes[i] == mode)
            return i;
    return -1;
}
template <class T> struct Format;
template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, class T> struct Fixed {
    static void facts(int64_t *out) {
        out[0] = W;
        out[1] = I;
        out[2] = S;
        out[3] = place(kRounding, Q);
        out[4] = place(kOverflow, O);
    }
    static T from(int64_t code) {
        T value;
        value.range(W - 1, 0) = ap_uint<W>(code);
        return value;
    }
    static int64_t code(const T &value) {
        T copy = value;
        ap_uint<W> bits = copy.range(W - 1, 0);
        uint64_t plain = bits.to_uint64();
        if (S && W < 64 && (plain >> (W - 1)))
            plain |= ~uint64_t(0) << (W % 64);
        return int64_t(plain);
    }
};
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N>
struct Format<ap_fixed<W, I, Q, O, N>> : Fixed<W, I, true, Q, O, ap_fixed<W, I, Q, O, N>> {};
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N>
struct Format<ap_ufixed<W, I, Q, O, N>> : Fixed<W, I, false, Q, O, ap_ufixed<W, I, Q, O, N>> {};
template <int W> struct Format<ap_int<W>> : Fixed<W, W, true, AP_TRN, AP_WRAP, ap_int<W>> {};
template <int W> struct Format<ap_uint<W>> : Fixed<W, W, false, AP_TRN, AP_WRAP, ap_uint<W>> {};
template <class T> struct Last { using type = T; };
template <class A, class B> struct Last<std::pair<A, B>> { using type = B; };
template <class T> const T &last(const T &result) { return result; }
template <class A, class B> const B &last(const std::pair<A, B> &result) { return result.second; }
}  // namespace l1chain_bridge
"""
_FUNCTIONS: Final = f"""
extern "C" __attribute__((visibility("default"))) void {FACTS_FUNCTION}(const int64_t *, int64_t *out, size_t n) {{
    for (size_t row = 0; row < n; row++, out += {N_FACTS}) {{
        out[0] = l1chain_bridge::kInputs;
        out[1] = l1chain_bridge::kOutputs;
        l1chain_bridge::Format<l1chain_bridge::Given>::facts(out + 2);
        l1chain_bridge::Format<l1chain_bridge::Score>::facts(out + 7);
    }}
}}
extern "C" __attribute__((visibility("default"))) void {SCORE_FUNCTION}(const int64_t *in, int64_t *out, size_t n) {{
    using namespace l1chain_bridge;
    static Given given[kInputs];
    for (size_t row = 0; row < n; row++, in += kInputs) {{
        for (int i = 0; i < kInputs; i++)
            given[i] = Format<Given>::from(in[i]);
        out[row] = Format<Score>::code(score(given));
    }}
}}
"""


@dataclass(frozen=True)
class BridgeOptions:
    """What cannot be read from every project.

    Attributes:
        squared: the score is the sum of the squares of the outputs; None: as the emulator does, else not.
        score_type: C++ text of the score's type; None: the emulator's, `resultsq_t`, or the output's own.
    """

    squared: bool | None = None
    score_type: str | None = None


def unit_text(project: Project, unit: str) -> str:
    """A unit that compiles a file of the project with what it must see first."""
    synthesis = [f"#define {SYNTHESIS} 1"] if project.synthesis else []
    return "\n".join([*_first_includes(), *_shifts(project), *synthesis, f'#include "{unit}"', ""])


def _shifts(project: Project) -> list[str]:
    """hls4ml's `bit_shift`, for distributed arithmetic in a namespace of its own that calls it without `nnet::`."""
    own = posixpath.join(posixpath.dirname(project.top.unit), _STUBS)
    stubs = own if own in project.sources.files else _STUBS
    if _SHIFT not in project.sources.files.get(own, _SHIFT):
        return []
    spaces = set()
    for path, content in project.sources.files.items():
        found = _DISTRIBUTED.search(content)
        if found and _SHIFT_DEFINED not in content and path != stubs:
            spaces.add("::".join(namespaces_at(content, found.start())))
    using = [f"namespace {space} {{ using nnet::{_SHIFT}; }}" for space in sorted(spaces - {"nnet", ""})]
    return [f'#include "{stubs}"', *using] if using else []


def bridge_text(project: Project, options: BridgeOptions) -> str:
    """The unit that the worker calls.

    Raises:
        ProjectInvalid: the emulator class has another form, or the score is not known.
    """
    top = project.top
    using = [f"using namespace {top.namespace};"] if top.namespace else []
    include = project.emulator.unit if project.emulator else _header(project)
    head = [*_first_includes(), *_helpers(project), f'#include "{include}"']
    if project.emulator is None and project.scaling is not None:
        head.append(f'#include "{project.scaling}"')
    templates = _TEMPLATES.replace("ROUNDINGS", ", ".join(Rounding)).replace("OVERFLOWS", ", ".join(Overflow))
    part = _emulated(project, project.emulator) if project.emulator else _called(project, options)
    sizes = [f"constexpr int kInputs = {top.given.size};", f"constexpr int kOutputs = {top.made.size};"]
    body = ["namespace l1chain_bridge {", *using, *sizes, *part, "}  // namespace l1chain_bridge"]
    return "\n".join([*head, templates, *body, _FUNCTIONS])


def _first_includes() -> list[str]:
    return [*(f"#include <{name}>" for name in _STANDARD), *(f'#include "{name}"' for name in _TYPES)]


def _helpers(project: Project) -> list[str]:
    """The functions that `nnet_common.h` of hls4ml 0.x uses without including them, if the project has its own."""
    near = posixpath.join(posixpath.dirname(project.top.unit), _HELPERS)
    return [f'#include "{near}"'] if near in project.sources.files else []


def _header(project: Project) -> str:
    """The header that declares the top-level function; without one, the file that defines it."""
    declared = re.compile(rf"\bvoid\s+{project.top.name}\s*\([^{{}}]*\)\s*;")
    headers = sorted(project.sources.needed([project.top.unit]) - {project.top.unit})
    found = [path for path in headers if declared.search(project.sources.files[path])]
    if not found:
        what = f"no header declares {project.top.name}"
        raise ProjectInvalid(project.top.unit, what, f"add '{posixpath.splitext(project.top.unit)[0]}.h'")
    return found[0]


def _emulated(project: Project, emulator: Emulator) -> list[str]:
    """Calls of the emulator class, by its own types."""
    given = _pointed_to(emulator, "prepare_input")
    result = _pointed_to(emulator, "read_result")
    loss = _METHOD.format(name="read_loss")
    lines = [f"using Given = {given};", f"using Result = {result};"]
    if re.search(loss, emulator.text):  # the first generation reads the score by a method of its own
        lines += [f"using Score = {_pointed_to(emulator, 'read_loss')};", "Score score(Given *given) {"]
        reading = ["    static Score loss;", "    model.read_loss(std::any(&loss));", "    return loss;", "}"]
    else:
        _check_one_score(project, result)
        lines += ["using Score = Last<Result>::type;", "Score score(Given *given) {"]
        reading = [
            "    static Result results[kOutputs > 0 ? kOutputs : 1];",
            "    model.read_result(std::any(&results[0]));",
            "    return last(results[0]);",
            "}",
        ]
    return [
        *lines,
        f"    static ::{emulator.name} model;",
        "    model.prepare_input(std::any(given));",
        "    model.predict();",
        *reading,
    ]


def _check_one_score(project: Project, result: str) -> None:
    if "pair" in result or _is_one(project.top.made.size, project.top.declared):
        return
    what = f"gives {project.top.made.size} results, and none of them is the score"
    raise ProjectInvalid(project.emulator.unit if project.emulator else "", what, "let it give a pair whose second is")


def _is_one(size: str, declared: Declarations) -> bool:
    return declared.sizes.get(size.strip()) == 1 or size.strip() == "1"


def _pointed_to(emulator: Emulator, method: str) -> str:
    """What the pointer in a method's `std::any` points to, in names that hold outside of the class."""
    found = re.search(_METHOD.format(name=method), emulator.text)
    if found is None:
        what = f"class {emulator.name} has no {method}(std::any)"
        raise ProjectInvalid(emulator.unit, what, "write it as emulators of CMS are written")
    for cast in _ANY_CAST.finditer(emulator.text, found.end()):
        depth, end = 1, cast.end()
        while end < len(emulator.text) and depth:
            depth += {"<": 1, ">": -1}.get(emulator.text[end], 0)
            end += 1
        pointer = emulator.text[cast.end() : end - 1].strip()
        if re.match(rf"\s*\(\s*{found[1]}\s*\)", emulator.text[end:]) and pointer.endswith("*"):
            return _outside(emulator, pointer[:-1].strip())
    what = f"{method} of class {emulator.name} casts '{found[1]}' to no pointer"
    raise ProjectInvalid(emulator.unit, what, "write it as emulators of CMS are written")


def _outside(emulator: Emulator, text: str) -> str:
    """The text of a type with the class's own names and sizes replaced."""
    own = {}
    for found in re.finditer(r"\btypedef\s+([^;]+?)\s+(\w+)\s*;|\busing\s+(\w+)\s*=\s*([^;]+);", emulator.text):
        own[found[2] or found[3]] = found[1] or found[4]
    for found in re.finditer(r"\bstatic\s+const(?:expr)?\s+[\w\s]+?\b(\w+)\s*=\s*(\w+)\s*;", emulator.text):
        own[found[1]] = found[2]
    return re.sub(r"(?<![:\w])[A-Za-z_]\w*", lambda found: own.get(found[0], found[0]), text)


def _called(project: Project, options: BridgeOptions) -> list[str]:
    """A call of the function itself, scaling and score around it."""
    names = scaling_names(project)
    types = project.top.declared.types
    lines = [f"using Network = {project.top.given.type};", f"using Made = {project.top.made.type};"]
    scaled_by = names.declared.types if names else {}
    unscaled = "unscaled_t" if "unscaled_t" in {**types, **scaled_by} else "ap_fixed<18, 13>"
    lines.append(f"using Given = {unscaled if names else 'Network'};")
    squared = bool(options.squared)
    score_type = options.score_type or ("resultsq_t" if squared and "resultsq_t" in types else None)
    if score_type is None and squared:
        raise ProjectInvalid(
            project.top.unit, "states no type of the sum of squares", "add --score-type, such as 'ap_ufixed<18,14>'"
        )
    if not squared and not _is_one(project.top.made.size, project.top.declared):
        raise ProjectInvalid(
            project.top.unit,
            f"gives {project.top.made.size} numbers, and no emulator makes a score of them",
            "add --score sum_of_squares, if that is the score",
        )
    scale = "given[i]"
    lines += [f"using Score = {score_type or 'Made'};", "Score score(Given *given) {"]
    lines += ["    static Network inputs[kInputs];", "    static Made made[kOutputs];"]
    lines.append("    for (int i = 0; i < kInputs; i++) {")
    if names:
        lines.append(f"        Given difference = given[i] - {names.offsets}[i];")
        scale = f"difference >> {names.shifts}[i]"
    lines += [f"        inputs[i] = {scale};", "    }", f"    {project.top.name}(inputs, made);"]
    if squared:
        lines += ["    Score total = 0;", "    for (int i = 0; i < kOutputs; i++) {"]
        lines += ["        Score square = made[i] * made[i];", "        total += square;", "    }"]
        return [*lines, "    return total;", "}"]
    return [*lines, "    return Score(made[0]);", "}"]


def is_squared(project: Project, options: BridgeOptions) -> bool:
    """Whether the score is the sum of the squares of the outputs."""
    return sums_squares(project) if project.emulator is not None else bool(options.squared)
