"""Sources hold a few batches in memory, however large a file is (docs/formats.md, "Memory")."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.triggers.events.foreign_files import open_data_table, write_ntuple, write_open_data
from triggers.events import schema
from triggers.events.crossings import batch_of

REPOSITORY = Path(__file__).resolve().parents[3]
MEGABYTE = 1 << 20
ALLOWED_BYTES = 200 * MEGABYTE
"""What reading may take beyond what the process has with its libraries loaded."""
MEASURE = """
import resource, sys
from triggers.events.open import open_source
import triggers.events.readers.adc2021, triggers.events.readers.l1_ntuple, awkward
small, large = sys.argv[1:]
for path in (small, large):
    source = open_source([path])
    content = sum(batch.get_total_buffer_size() for batch in source.batches(16384))
    print(source.info.n_crossings, content, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def event_format(path: Path, large: bool) -> None:
    n = 65_536
    batch = batch_of({"jet": np.full((n, 12), 1 << 11 | 40, np.uint32), "pileup": np.full(n, 50, np.float32)})
    table = pa.Table.from_batches([batch] * (24 if large else 1)).drop_columns(list(schema.TIME_COLUMNS))
    pq.write_table(table, path, row_group_size=1 << 30)


def open_data(path: Path, large: bool) -> None:
    table = open_data_table(1000)
    table = pa.concat_tables([table] * (300 if large else 1)).drop_columns(["orbit", "bx"])
    pq.write_table(
        table, write_open_data(path.parent / path.stem, table.slice(0, 1), path.name), row_group_size=1 << 30
    )


def l1_ntuple(path: Path, large: bool) -> None:
    write_ntuple(path, times=None, repeats=20 if large else 1, copies=10_000)


def adc2021(path: Path, large: bool) -> None:
    with h5py.File(path, "w") as file:
        n = 1_200_000 if large else 100_000
        file.create_dataset("Particles", (n, 19, 4), "f4", chunks=(100_000, 1, 4), compression="gzip")


@pytest.mark.parametrize(
    ("write", "suffix"),
    [(event_format, "parquet"), (open_data, "parquet"), (l1_ntuple, "root"), (adc2021, "h5")],
)
def test_a_large_file_takes_little_more_memory_than_a_small_one(
    tmp_path: Path, write: Callable[[Path, bool], None], suffix: str
) -> None:
    paths = [tmp_path / f"{name}.{suffix}" for name in ("small", "large")]
    for path, large in zip(paths, (False, True), strict=True):
        write(path, large)
        if write is open_data:
            paths[large] = tmp_path / path.stem / path.name
    command = [sys.executable, "-c", MEASURE, *map(str, paths)]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (_, _, before), (_, content, peak) = (map(int, line.split()) for line in result.stdout.splitlines())
    assert content > ALLOWED_BYTES, "the large file must not fit in the memory allowed"
    assert peak - before < ALLOWED_BYTES
