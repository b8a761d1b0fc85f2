"""Files written in the layouts of other projects, read back (docs/formats.md)."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from tests.triggers.events.events_data import random_batch, rows_of, same_rows, view
from tests.triggers.events.foreign_files import open_data_table, write_ntuple, write_open_data
from triggers.errors import BadValue
from triggers.events import packing
from triggers.events.crossings import column_array, column_view
from triggers.events.held import not_held
from triggers.events.open import SourceFormat, open_source
from triggers.events.readers.open_data_columns import SUM_COLUMNS
from triggers.events.synthetic import SyntheticSource
from triggers.events.writers import event_writer

N_ROWS = 500
OBJECTS = ("muon", "eg", "tau", "jet", "sums")
TIMES = ("run", "lumi_section", "orbit", "bx", "event")


@pytest.fixture(scope="module")
def crossings() -> pa.RecordBatch:
    """Crossings as the trigger sends them: no gaps between objects, no muon showers, no external signals."""
    (batch,) = SyntheticSource(N_ROWS, seed=3).batches(N_ROWS)
    return batch


def written(path: Path, format_: SourceFormat, batch: pa.RecordBatch, optional: tuple[str, ...] = ()) -> Path:
    with event_writer(path, optional, format_) as writer:
        for start in range(0, batch.num_rows, 70):
            writer.write(batch.slice(start, 70))
    return path


@pytest.mark.parametrize(
    ("name", "format_", "lost"),
    [
        ("zb.parquet", SourceFormat.OPEN_DATA, ("isolation", "impact_parameter")),
        ("zb.root", SourceFormat.L1_NTUPLE, ()),
    ],
)
def test_crossings_survive(
    tmp_path: Path, crossings: pa.RecordBatch, name: str, format_: SourceFormat, lost: tuple[str, ...]
) -> None:
    fields = packing.unpack("muon", column_view(crossings.column("muon")))
    kept = packing.pack("muon", **{field: values for field, values in fields.items() if field not in lost})
    place = crossings.schema.get_field_index("muon")
    rows = rows_of(open_source([written(tmp_path / name, format_, crossings, ("pileup",))]), 99)
    wanted = crossings.set_column(place, "muon", column_array("muon", kept))
    if format_ is SourceFormat.OPEN_DATA:
        sums = column_view(crossings.column("sums"))
        held = packing.pack_sums(**{quantity: packing.sum_values(sums, quantity) for quantity in SUM_COLUMNS})
        wanted = wanted.set_column(crossings.schema.get_field_index("sums"), "sums", column_array("sums", held))
    for column in (*TIMES, *OBJECTS, "pileup"):
        assert rows[column].to_pylist() == wanted[column].to_pylist(), column


def test_an_ntuple_keeps_every_sum_and_bit(tmp_path: Path, crossings: pa.RecordBatch) -> None:
    rng = np.random.default_rng(5)
    quantities = {name: rng.integers(0, 1 << field.bits, N_ROWS) for name, (_, field) in packing.SUMS.items()}
    sums = packing.pack_sums(**{name: v for name, v in quantities.items() if not name.startswith("cicada")})
    bits = rng.integers(0, 1 << 63, (N_ROWS, 8), np.uint64)
    batch = crossings.set_column(crossings.schema.get_field_index("sums"), "sums", column_array("sums", sums))
    batch = batch.append_column("expected", column_array("expected", bits))
    rows = rows_of(open_source([written(tmp_path / "zb.root", SourceFormat.L1_NTUPLE, batch, ("pileup", "expected"))]))
    assert (view(rows, "sums") == sums).all()
    assert (view(rows, "expected") == bits).all()


def test_adc2021_keeps_what_it_has_room_for(tmp_path: Path, crossings: pa.RecordBatch) -> None:
    rows = rows_of(open_source([written(tmp_path / "zb.h5", SourceFormat.ADC2021, crossings)]))
    for column, most in (("muon", 4), ("eg", 4), ("jet", 10)):
        energy = packing.OBJECTS[column]["pt" if column == "muon" else "et"]
        found = np.sort(energy.get(view(rows, column)), axis=1)[:, ::-1]
        wanted = np.sort(energy.get(view(pa.Table.from_batches([crossings]), column)), axis=1)[:, ::-1]
        assert (found[:, :most] == wanted[:, :most]).all()
        assert not found[:, most:].any()
    one = packing.sum_values(view(rows, "sums"), "etmhf")
    assert (one == packing.sum_values(view(pa.Table.from_batches([crossings]), "sums"), "etmhf")).all()


def test_places_survive_adc2021(tmp_path: Path) -> None:
    """Every bin that a muon or a jet can be in, there and back."""
    eta = np.concatenate([np.arange(-225, 226), np.zeros(125, np.int64)])
    muon = np.zeros((576, 8), np.uint64)
    muon[:, 0] = packing.pack("muon", pt=9, eta=eta, phi=np.arange(576))
    jet = np.zeros((576, 12), np.uint32)
    jet[:, 0] = packing.pack("jet", et=9, eta=np.resize(np.arange(-115, 115), 576), phi=np.arange(576) % 144)
    (batch,) = SyntheticSource(576, seed=1).batches(576)
    for name, words in (("muon", muon), ("jet", jet)):
        batch = batch.set_column(batch.schema.get_field_index(name), name, column_array(name, words))
    rows = rows_of(open_source([written(tmp_path / "zb.h5", SourceFormat.ADC2021, batch)]))
    assert (view(rows, "muon") == muon).all()
    assert (view(rows, "jet") == jet).all()


def test_context_rows_and_muon_showers_are_no_crossings_and_no_muons(tmp_path: Path) -> None:
    batch = random_batch(60, 1, ("context",))
    muon = np.zeros((60, 8), np.uint64)
    muon[:, 0] = packing.pack("muon", shower=1)
    batch = batch.set_column(batch.schema.get_field_index("muon"), "muon", column_array("muon", muon))
    decided = 60 - sum(batch["context"].to_pylist())
    for name in ("zb.root", "zb.h5", "zb.parquet"):
        format_ = SourceFormat.OPEN_DATA if name.endswith("parquet") else None
        with event_writer(tmp_path / name, ("context",), format_) as writer:
            writer.write(batch)
        source = open_source([tmp_path / name])
        assert source.info.n_crossings == decided
        assert not view(rows_of(source), "muon").any()


def test_files_have_the_types_of_the_originals(tmp_path: Path, crossings: pa.RecordBatch) -> None:
    data = pq.read_schema(written(tmp_path / "zb.parquet", SourceFormat.OPEN_DATA, crossings, ("pileup",)))
    original = open_data_table().schema
    for field in data:
        assert field.type == original.field(field.name).type, field.name
    with uproot.open(written(tmp_path / "zb.root", SourceFormat.L1_NTUPLE, crossings)) as file:
        tree = file["l1UpgradeTree/L1UpgradeTree"]
        assert tree["muonIEtaAtVtx"].typename == "int16_t[]"
        assert {"nMuons", "nEGs", "nTaus", "nJets", "nSums"} <= {branch.name for branch in tree.branches}
    with h5py.File(written(tmp_path / "zb.h5", SourceFormat.ADC2021, crossings)) as file:
        assert file["Particles"].shape == (N_ROWS, 19, 4)


def test_every_format_says_what_it_does_not_hold() -> None:
    optional = ("regions", "weight", "expected", "expected_known", "context")
    for format_ in (SourceFormat.OPEN_DATA, SourceFormat.L1_NTUPLE, SourceFormat.ADC2021):
        told = " ".join(not_held(format_, optional))
        assert "regions, weight" in told
        assert "context rows: left out" in told


@pytest.mark.parametrize("format_", [SourceFormat.NANOAOD, SourceFormat.SYNTHETIC, SourceFormat.L1_NTUPLE_EMULATED])
def test_formats_that_are_not_written(tmp_path: Path, format_: SourceFormat) -> None:
    sentence = f"{format_} is not written; choose one of: parquet, "
    with pytest.raises(BadValue, match=sentence), event_writer(tmp_path / "zb.root", (), format_):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["zb.parquet", "zb.arrow"])
def test_converted_files_remember_what_their_source_lacks(tmp_path: Path, name: str) -> None:
    source = open_source([write_ntuple(tmp_path / "n.root")])
    with event_writer(tmp_path / name, source.info.optional_columns, None, source.info) as writer:
        for batch in source.batches(100):
            writer.write(batch)
    converted = open_source([tmp_path / name])
    assert converted.info.lacking == source.info.lacking
    assert converted.info.missing == source.info.missing
    assert same_rows(rows_of(converted), rows_of(source))


def test_a_failed_writer_leaves_nothing(tmp_path: Path, crossings: pa.RecordBatch) -> None:
    for name in ("zb.root", "zb.h5"):
        with pytest.raises(KeyError, match="weight"), event_writer(tmp_path / name) as writer:
            writer.write(crossings.select(["weight"]))
    assert not list(tmp_path.iterdir())


def test_the_originals_can_be_converted_into_each_other(tmp_path: Path) -> None:
    source = open_source([write_open_data(tmp_path / "ZB_run396102", open_data_table(4))])
    first = rows_of(source)
    previous = source
    for name, format_ in (("a.root", None), ("b.arrow", None), ("c.parquet", SourceFormat.OPEN_DATA)):
        about = previous.info
        with event_writer(tmp_path / name, about.optional_columns, format_, about) as writer:
            for batch in previous.batches(5):
                writer.write(batch)
        previous = open_source([tmp_path / name])
    last = rows_of(previous)
    for column in (*TIMES, "muon", "eg", "tau", "jet", "sums"):
        assert first[column].to_pylist() == last[column].to_pylist(), column
