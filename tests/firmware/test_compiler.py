"""C++ becomes a shared object once, under limits, in a private folder; errors are shown in full."""

from __future__ import annotations

import ctypes
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from firmware import compiler
from firmware.compiler import CompileLimits, compile_library
from firmware.errors import CacheUnsafe, CompileFailed, CompileLimitReached, CompilerMissing
from triggers.errors import FileMissing

VISIBLE = '__attribute__((visibility("default")))'


@pytest.fixture
def build(tmp_path: Path):
    """Compile a text, with a header `value.h` beside it."""

    def compiled(text: str, *flags: str, header: str = "", **options: object) -> Path:
        (tmp_path / "headers").mkdir(exist_ok=True)
        (tmp_path / "headers" / "value.h").write_text(header)
        (tmp_path / "code.cpp").write_text(text)
        options = {"cache": tmp_path / "cache"} | options
        return compile_library([tmp_path / "code.cpp"], [tmp_path / "headers"], flags, **options)

    return compiled


def returning(value: str) -> str:
    return f'#include "value.h"\nextern "C" {VISIBLE} int answer() {{ return {value}; }}\n'


def answer(library: Path) -> int:
    return ctypes.CDLL(str(library)).answer()


def test_the_same_sources_are_compiled_once(build) -> None:
    first = build(returning("VALUE"), header="#define VALUE 7")
    assert answer(first) == 7
    made = first.stat().st_ino
    again = build(returning("VALUE"), header="// another comment\n#define VALUE 7")
    assert (again, again.stat().st_ino) == (first, made)


def test_a_header_a_flag_or_a_define_makes_another_object(build) -> None:
    text = returning("VALUE")
    libraries = [
        build(text, header="#define VALUE 1"),
        build(text, header="#define VALUE 2"),
        build(text, "-DVALUE=3"),
        build(text, "-DVALUE=3", "-O1"),
    ]
    assert len(set(libraries)) == 4
    assert [answer(library) for library in libraries] == [1, 2, 3, 3]


def test_only_marked_functions_are_seen_and_equal_names_do_not_meet(build) -> None:
    text = 'static int own; int hidden = VALUE; extern "C" {} int answer() {{ return hidden + own; }}\n'
    one, two = (
        ctypes.CDLL(str(build(text.format(VISIBLE), f"-DVALUE={value}")), mode=ctypes.RTLD_GLOBAL) for value in (1, 2)
    )
    assert (one.answer(), two.answer()) == (1, 2)
    with pytest.raises(AttributeError):
        _ = one.hidden


def test_the_compilers_error_is_shown_in_full(build) -> None:
    with pytest.raises(CompileFailed) as caught:
        build("int first() { return nothing_here; }\nint second( {}\n")
    message = str(caught.value)
    assert "code.cpp: does not compile; correct the source; the compiler said:\n" in message
    assert "code.cpp:1:22: error: ‘nothing_here’ was not declared in this scope" in message
    assert "code.cpp:2:" in message


def test_without_a_compiler_the_message_says_what_to_install(build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CompilerMissing, match=r"no command 'g\+\+' was found; install .*`apt-get install g\+\+`"):
        build("int x;")


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match=r"gone\.cpp: no such C\+\+ source"):
        compile_library([tmp_path / "gone.cpp"], [], cache=tmp_path / "cache")


def test_a_compilation_that_never_ends_is_ended(
    build, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(left_behind))
    endless = "constexpr int f() { int s = 0; for (int i = 0; i < 2000000000; i++) s ^= i; return s; }\nint x[f() + 1];"
    start = time.monotonic()
    with pytest.raises(CompileLimitReached, match=r"code\.cpp: compiling it took more than 1 s"):
        build(
            endless,
            "-fconstexpr-loop-limit=2147483647",
            "-fconstexpr-ops-limit=999999999999",
            limits=CompileLimits(seconds=1.0),
        )
    assert time.monotonic() - start < 60
    assert not list(left_behind.iterdir())


def test_memory_and_files_have_limits(build) -> None:
    numbers = "#include <utility>\nstd::make_integer_sequence<int, 50000000> numbers;"
    with pytest.raises(CompileLimitReached, match="more than 300 MiB of memory"):
        build(numbers, limits=CompileLimits(memory_bytes=300 << 20))
    with pytest.raises(CompileLimitReached, match="more than a file of 1 MiB"):
        build("char x[1 << 24] = {1};", limits=CompileLimits(file_bytes=1 << 20))


def test_a_folder_that_others_can_write_is_refused(build, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(CacheUnsafe, match="shared: cannot hold compiled objects .other accounts can write it."):
        build("int x;", cache=shared)


def test_the_folder_is_made_for_this_account_only(build, tmp_path: Path) -> None:
    build("int x;", cache=tmp_path / "deep" / "cache")
    assert (tmp_path / "deep" / "cache").stat().st_mode & 0o777 == 0o700


def test_many_at_once_compile_one_object(build, tmp_path: Path) -> None:
    build(returning("5"))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: compile_library([tmp_path / "code.cpp"], [tmp_path / "headers"]), range(4)))
    assert len(set(found)) == 1
    assert answer(found[0]) == 5


def test_objects_not_used_for_long_are_forgotten(build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "_MOST_OBJECTS", 2)
    made = [build(f"int x = {i};") for i in range(3)]
    assert [library.exists() for library in made] == [False, True, True]
    assert not list((tmp_path / "cache").glob("l1chain-compile-*"))
