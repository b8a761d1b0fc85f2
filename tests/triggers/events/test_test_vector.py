"""uGT test vectors: reading and writing (docs/formats.md, "Test vectors")."""

from __future__ import annotations

import gzip
import json
import lzma
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.triggers.events.events_data import random_batch, rows_of, same_rows, view, write_text
from triggers.errors import BadWord, BadWordCount, FileMissing, FileUnreadable, L1ChainError
from triggers.events import packing, vector_lines
from triggers.events.crossings import slots
from triggers.events.readers import test_vector as reader
from triggers.events.writers import event_writer

LINES_PER_ORBIT = 3564


def line(bx: int | str = 0, *, taus: int = 12, sums: int = 12, **words: str) -> str:
    """A line of zeros; `words` replaces words by `c` and their column number from 1."""
    number = f"{bx:04d}" if isinstance(bx, int) else bx
    columns = [number, *["0" * 16] * 8, *["0" * 8] * (24 + taus + sums), "0" * 64, "0" * 128, "0"]
    for column, word in words.items():
        columns[int(column.removeprefix("c")) - 1] = word
    return " ".join(columns)


def read(path: Path) -> pa.Table:
    return rows_of(reader.TestVectorSource([path]))


def decided(table: pa.Table) -> pa.Table:
    return table.filter(pc.invert(table["context"]))


def test_each_word_goes_to_its_column(tmp_path: Path) -> None:
    words = {f"c{2 + i}": f"{0xA0 + i:016x}" for i in range(8)}
    words |= {f"c{10 + i}": f"{0x100 + i:08x}" for i in range(48)}
    words |= {"c58": f"{1 << 255 | 1 << 64 | 1 << 3:064x}", "c59": f"{1 << 511 | 1 << 100 | 1:0128X}", "c60": "1"}
    table = decided(read(write_text(tmp_path / "v.txt", line(7, **words))))
    assert table["bx"].to_pylist() == [7]
    assert table["muon"].to_pylist() == [[0xA0 + i for i in range(8)]]
    for position, name in enumerate(("eg", "tau", "jet", "sums")):
        assert table[name].to_pylist() == [[0x100 + 12 * position + i for i in range(12)]]
    assert packing.set_bits(view(table, "external")[0]).tolist() == [3, 64, 255]
    assert packing.set_bits(view(table, "expected")[0]).tolist() == [0, 100, 511]
    assert len(packing.set_bits(view(table, "expected_known")[0])) == 512


def test_short_lines_have_eight_taus_and_four_sums(tmp_path: Path) -> None:
    words = {f"c{10 + i}": f"{0x100 + i:08x}" for i in range(36)}
    path = write_text(tmp_path / "v.txt", line(0, taus=8, sums=4, **words))
    table = decided(read(path))
    assert table["tau"].to_pylist() == [[0x10C + i for i in range(8)] + [0] * 4]
    assert table["jet"].to_pylist() == [[0x114 + i for i in range(12)]]
    assert table["sums"].to_pylist() == [[0x120 + i for i in range(4)] + [0] * 8]
    assert any("36" in sentence for sentence in reader.TestVectorSource([path]).info.missing)


def test_lines_are_a_cycle_of_consecutive_slots(tmp_path: Path) -> None:
    path = write_text(tmp_path / "v.txt", *(line(bx, c58=f"{bx:064x}") for bx in range(10, 15)))
    table = read(path)
    batch = table.combine_chunks().to_batches()[0]
    assert np.diff(slots(batch)).tolist() == [1] * 8
    assert table["bx"].to_pylist() == list(range(8, 17))
    assert view(table, "external")[:, 0].tolist() == [13, 14, 10, 11, 12, 13, 14, 10, 11]
    assert table["context"].to_pylist() == [True] * 2 + [False] * 5 + [True] * 2


def test_the_next_crossing_after_the_last_bx_is_the_first_of_the_next_orbit(tmp_path: Path) -> None:
    table = read(write_text(tmp_path / "v.txt", *(line(bx) for bx in (3562, 3563, 0))))
    assert table["bx"].to_pylist() == [3560, 3561, 3562, 3563, 0, 1, 2]
    assert table["orbit"].to_pylist() == [1, 1, 1, 1, 2, 2, 2]


def test_a_gap_in_the_bx_numbers_parts_the_neighbours(tmp_path: Path) -> None:
    table = read(write_text(tmp_path / "v.txt", *(line(bx) for bx in (5, 6, 100, 100))))
    assert table["bx"].to_pylist() == [3, 4, 5, 6, 100, 100, 101, 102]
    assert table["orbit"].to_pylist() == [1, 1, 1, 1, 1, 2, 2, 2]


def test_one_line_is_its_own_neighbour(tmp_path: Path) -> None:
    table = read(write_text(tmp_path / "v.txt", line(0, c58=f"{9:064x}")))
    assert view(table, "external")[:, 0].tolist() == [9] * 5
    assert table["bx"].to_pylist() == [3562, 3563, 0, 1, 2]


def test_files_are_whole_orbits_apart_and_in_time_order(tmp_path: Path) -> None:
    paths = [write_text(tmp_path / f"{name}.txt", *(line(bx) for bx in range(3))) for name in "abc"]
    table = rows_of(reader.TestVectorSource(paths))
    gaps = np.diff(slots(table.combine_chunks().to_batches()[0]))
    assert sorted(gaps.tolist())[:-2] == [1] * 18
    assert min(sorted(gaps.tolist())[-2:]) > LINES_PER_ORBIT
    assert decided(table)["event"].to_pylist() == list(range(1, 10))


@pytest.mark.parametrize("rows", [1, 2, 7, 10_000])
def test_the_batch_size_does_not_change_the_rows(tmp_path: Path, rows: int) -> None:
    source = reader.TestVectorSource([write_text(tmp_path / "v.txt", *(line(bx) for bx in range(9)))])
    assert same_rows(rows_of(source, rows), rows_of(source, 100))
    assert source.info.n_crossings == 9


@pytest.mark.parametrize(
    "content",
    [
        b"\r\n".join([b"# BX muons", *(line(i).encode() for i in range(3)), b""]),
        b"\n".join(line(i).encode() + b"   " for i in range(3)),
        b"\n\n// written by hand\nBX MU0 MU1\n" + b"\n".join(line(i).encode().replace(b" ", b"  ") for i in range(3)),
        b"\xef\xbb\xbf# d\xc3\xa9but\n" + b"\n".join(f"{i}{line(i)[4:]}".encode() for i in range(3)),
        gzip.compress("\n".join(line(i) for i in range(3)).encode(), mtime=0),
        lzma.compress("\n".join(line(i) for i in range(3)).encode()),
    ],
    ids=["CR LF and comment", "trailing blanks", "header and wide blanks", "byte-order mark", "gzip", "xz"],
)
def test_what_editors_and_packers_do_to_a_file_does_not_matter(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(content)
    plain = write_text(tmp_path / "plain.txt", *(line(i) for i in range(3)))
    assert same_rows(read(path), read(plain))


@pytest.mark.parametrize(
    ("bad", "error", "sentence"),
    [
        (line(1, c5="00000000000000zz"), BadWord, r"line 2, column 5: '00000000000000zz' is not a word of 16"),
        (line(1, c11="0000_000"), BadWord, r"line 2, column 11: '0000_000'"),
        (line(1, c58="0" * 63), BadWord, r"line 2, column 58: '0{24}…' is not a word of 64"),
        (line(1, c60="2"), BadWord, r"line 2, column 60: '2' is not a final OR"),
        (line(1, c2="é" * 16), BadWord, r"line 2, column 2: "),
        (line("3564"), BadWord, r"line 2, column 1: '3564' is not a BX number from 0 to 3563"),
        (line("000a"), BadWord, r"line 2, column 1: '000a'"),
        (line(1)[:-2], BadWordCount, r"line 2: 59 columns, expected 60"),
        (line(1, taus=8, sums=4), BadWordCount, r"line 2: 48 columns, expected 60"),
        ("the end", BadWordCount, r"line 2: 2 columns, expected 60"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, bad: str, error: type[L1ChainError], sentence: str) -> None:
    path = write_text(tmp_path / "v.txt", line(0), bad, line(2))
    with pytest.raises(error, match=sentence):
        read(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"# only a comment\n\n", "holds no test-vector line"),
        (b"<xml>\n<menu/>\n", "holds no test-vector line"),
        (b"\x89HDF\r\n\x1a\n\0\0\0", "is not text"),
        (b"caf\xe9\n", "is not text"),
        (gzip.compress(line(0).encode() * 9, mtime=0)[:-20], "is damaged or cut off"),
        (lzma.compress(line(0).encode() * 9)[:-20], "is damaged or cut off"),
        (gzip.compress(line(0).encode(), mtime=0)[:20] + b"damage" * 5, "is damaged or cut off"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_is_no_test_vector_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(content)
    with pytest.raises(FileUnreadable, match=sentence):
        read(path)


def test_a_wrong_first_line_is_not_taken_for_a_header(tmp_path: Path) -> None:
    with pytest.raises(BadWord, match="line 1, column 1"):
        read(write_text(tmp_path / "v.txt", line("zzzz"), line(1)))


def test_three_columns_are_told_both_counts(tmp_path: Path) -> None:
    with pytest.raises(BadWordCount, match="line 1: 3 columns, expected 60 or 48"):
        read(write_text(tmp_path / "v.txt", "0000 0000 0"))


def test_a_missing_file_is_told_before_reading(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="no such event file"):
        reader.TestVectorSource([tmp_path / "absent.txt"])


@pytest.mark.parametrize("suffix", [".txt", ".txt.gz", ".txt.xz"])
def test_what_the_text_holds_survives_writing(tmp_path: Path, suffix: str) -> None:
    batch = random_batch(50, 3, ("expected",))
    with event_writer(tmp_path / f"v{suffix}", ("expected",)) as writer:
        writer.write(batch.slice(0, 20))
        writer.write(batch.slice(20))
    table = decided(read(tmp_path / f"v{suffix}"))
    for name in ("bx", "muon", "eg", "tau", "jet", "sums", "external", "expected"):
        assert table[name].to_pylist() == batch.column(name).to_pylist()


@given(st.lists(st.integers(0, 2**512 - 1), min_size=1, max_size=4))
def test_the_final_or_says_whether_any_bit_is_set(values: list[int]) -> None:
    rows = [[value >> (64 * i) & (2**64 - 1) for i in range(8)] for value in values]
    batch = random_batch(len(values), 1, ())
    columns = {
        name: view(pa.Table.from_batches([batch]), name)
        for name in ("bx", "muon", "eg", "tau", "jet", "sums", "external")
    }
    text = vector_lines.encode({**columns, "expected": np.array(rows, np.uint64)}).decode()
    words = [written.split() for written in text.splitlines()]
    assert [int(columns[-2], 16) for columns in words] == values
    assert [columns[-1] for columns in words] == ["1" if value else "0" for value in values]


def test_unknown_expected_bits_are_written_as_zero(tmp_path: Path) -> None:
    batch = random_batch(5, 4, ("expected", "expected_known"))
    with event_writer(tmp_path / "v.txt", ("expected", "expected_known")) as writer:
        writer.write(batch)
    table = pa.Table.from_batches([batch])
    assert np.array_equal(
        view(decided(read(tmp_path / "v.txt")), "expected"), view(table, "expected") & view(table, "expected_known")
    )


@pytest.mark.conformance
class TestRealVectors:
    def test_all_are_read_completely(self, conformance: Path) -> None:
        pairs = json.loads((conformance / "pairs.json").read_text())["pairs"]
        lines = {conformance / pair["vector"]: pair["n_crossings"] for pair in pairs}
        for path, n_crossings in lines.items():
            table = read(path)
            assert (len(table), reader.TestVectorSource([path]).info.n_crossings) == (n_crossings + 4, n_crossings)

    def test_a_line_decoded_by_hand(self, conformance: Path) -> None:
        (path,) = (conformance / "vectors").glob("L1Menu_Collisions2025_v1_0_0_TestVector_data_000*")
        crossing = decided(read(path)).slice(3, 1)
        # Line 0003 begins "0003 8063c5dbb1f01ca4"; its first jet is 021e483d, its first two sums f031a50f f034203d.
        muon = {name: int(value) for name, value in packing.unpack("muon", view(crossing, "muon")[0, 0]).items()}
        assert muon == {
            "phi": 0x0A4,
            "pt": 7,
            "quality": 0b1110,
            "eta": 0x163 - 0x200,
            "isolation": 3,
            "charge_negative": 0,
            "charge_valid": 1,
            "index": 0x5D,
            "phi_raw": 120,
            "pt_unconstrained": 3,
            "shower": 0,
            "impact_parameter": 0b10,
        }
        jet = {name: int(value) for name, value in packing.unpack("jet", view(crossing, "jet")[0, 0]).items()}
        assert jet == {"et": 0x03D, "eta": 0xC9 - 0x100, "phi": 0x43, "displaced": 0, "quality": 0}
        sums = view(crossing, "sums")
        assert int(packing.sum_values(sums, "ett")[0]) == 0x50F
        assert int(packing.sum_values(sums, "ettem")[0]) == 0x31A
        assert int(packing.sum_values(sums, "mbt0hfp")[0]) == 0xF
        assert int(packing.sum_values(sums, "htt")[0]) == 0x03D

    def test_writing_gives_the_same_bytes(self, conformance: Path, tmp_path: Path) -> None:
        (path,) = (conformance / "vectors").glob("TestVector_L1menu_2024_v1_1_0_ttBar*")
        source = reader.TestVectorSource([path])
        with event_writer(tmp_path / "v.txt", source.info.optional_columns) as writer:
            for batch in source.batches(1000):
                writer.write(batch)
        assert (tmp_path / "v.txt").read_bytes() == lzma.decompress(path.read_bytes())

    def test_an_orbit_is_read_in_a_fifth_of_a_second(self, conformance: Path) -> None:
        (path,) = (conformance / "vectors").glob("TestVector_L1menu_2024_v1_1_0_ttBar*")
        durations = []
        for _ in range(5):
            start = time.thread_time_ns()
            read(path)
            durations.append(time.thread_time_ns() - start)
        assert min(durations) < 200e6
