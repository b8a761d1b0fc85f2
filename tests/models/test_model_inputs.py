"""The inputs of networks, from the packed words: every list of inputs, by one kernel."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InputsInvalid
from models.fixed_point import FixedPoint
from models.input_rules import InputColumn
from models.inputs import InputLayout, InputTable, WordField, fill_inputs, hardware_inputs, input_table
from models.layouts import LayoutName, layout_of, named_elements, named_layout
from models.network_document import InputElement, NetworkInputs
from models.scaling import InputScaling
from triggers.events import packing
from triggers.events.crossings import batch_of, column_view

AXOL1TL = named_layout("axol1tl-57")
LAYOUT_NAMES = get_args(LayoutName)
N_INPUTS = {
    "axol1tl-57": 57,
    "axol1tl-57-raw-phi": 57,
    "cicada-252": 252,
    "gelato-l1-44": 44,
    "gelato-hlt-47": 47,
    "adc2021-57": 57,
}
COLUMNS = {"met": "sums", "eg": "eg", "electron": "eg", "photon": "eg", "muon": "muon", "tau": "tau", "jet": "jet"}


def slow_input(columns, element: InputElement) -> np.ndarray:
    """One input as the documentation says it."""
    if element.object == "region":
        values = columns["regions"][:, element.rank].astype(np.int64) & 1023
    elif element.object == "met" and element.quantity == "eta":
        values = np.zeros(len(columns["sums"]), np.int64)
    elif element.object == "met":
        values = packing.sum_values(columns["sums"], {"pt": "etm", "phi": "etm_phi"}[element.quantity])
    else:
        column = COLUMNS[element.object]
        fields = packing.unpack(column, columns[column][:, element.rank])
        values = fields["et" if element.quantity == "pt" and column != "muon" else element.quantity]
    return values >> 1 if element.unit == "hw >> 1" else values


@pytest.mark.parametrize("name", LAYOUT_NAMES)
def test_every_named_list_is_what_the_documentation_says(random_columns, name: LayoutName) -> None:
    columns, layout = random_columns(3000, 1), named_layout(name)
    inputs = hardware_inputs(layout, columns)
    assert inputs.dtype == np.int16
    assert inputs.shape == (3000, N_INPUTS[name])
    expected = np.stack([slow_input(columns, element) for element in named_elements(name)], axis=1)
    assert np.array_equal(inputs, expected)


def test_axol1tl_is_what_it_was(random_columns, slow_inputs) -> None:
    columns = random_columns(1000, 2)
    assert np.array_equal(hardware_inputs(AXOL1TL, columns), slow_inputs(columns))
    raw = hardware_inputs(named_layout("axol1tl-57-raw-phi"), columns)
    phi = [17, 20, 23, 26]
    assert np.array_equal(np.delete(raw, phi, axis=1), np.delete(slow_inputs(columns), phi, axis=1))
    assert np.array_equal(raw[:, phi], packing.unpack("muon", columns["muon"])["phi_raw"][:, :4])


def test_worked_example_of_a_real_crossing() -> None:
    columns = {name: np.zeros((1, 12), np.uint32) for name in ("eg", "jet", "sums")} | {
        "muon": np.zeros((1, 8), np.uint64)
    }
    columns["jet"][0, :2] = packing.pack("jet", et=[161, 161], eta=[-9, -94], phi=[37, 95])
    columns["sums"][0, 2] = 73 | 82 << 12
    columns["eg"][0, 0] = packing.pack("eg", et=59, eta=-36, phi=136)
    columns["muon"][0, 0] = 0x804B789B4FF0298F
    inputs = hardware_inputs(AXOL1TL, columns)[0].tolist()
    assert inputs[:6] == [36, 0, 82, 29, -36, 136]
    assert inputs[15:18] == [5, 159, 399]
    assert inputs[27:33] == [80, -9, 37, 80, -94, 95]
    assert not any(inputs[6:15] + inputs[18:27] + inputs[33:])


def element(name: str, rank: int, quantity: str, unit: str = "hw") -> InputElement:
    return InputElement.model_validate({"object": name, "rank": rank, "quantity": quantity, "unit": unit})


def inputs_of(*elements: InputElement) -> NetworkInputs:
    return NetworkInputs.model_validate({"tensor": "x", "elements": elements, "type": "ap_int<16>"})


@given(st.lists(st.sampled_from([e for name in LAYOUT_NAMES for e in named_elements(name)]), min_size=1, max_size=40))
def test_any_list_in_any_order(columns_of_20, elements: list[InputElement]) -> None:
    layout = layout_of(inputs_of(*elements), "a list")
    expected = np.stack([slow_input(columns_of_20, one) for one in elements], axis=1)
    assert np.array_equal(hardware_inputs(layout, columns_of_20), expected)


@pytest.fixture(scope="module")
def columns_of_20():
    random = np.random.default_rng(4)

    def words(width: int, kind: type) -> np.ndarray:
        return random.integers(0, np.iinfo(kind).max, (20, width), kind, endpoint=True)

    calo = {name: words(12, np.uint32) for name in ("eg", "tau", "jet", "sums")}
    return calo | {"muon": words(8, np.uint64), "regions": words(252, np.uint16)}


def test_other_fields_and_sums_have_their_names_too(columns_of_20) -> None:
    elements = [element("muon", 7, "quality"), element("tau", 11, "isolation"), element("htt", 0, "et", "hw >> 1")]
    elements += [element("etmhf", 0, "phi"), element("towercount", 0, "count"), element("mu", 0, "et")]
    muon, tau = (packing.unpack(name, columns_of_20[name]) for name in ("muon", "tau"))
    sums = columns_of_20["sums"]
    expected = [muon["quality"][:, 7], tau["isolation"][:, 11], packing.sum_values(sums, "htt") >> 1]
    expected += [packing.sum_values(sums, "etmhf_phi"), packing.sum_values(sums, "towercount"), muon["pt"][:, 0]]
    found = hardware_inputs(layout_of(inputs_of(*elements), "a list"), columns_of_20)
    assert np.array_equal(found, np.stack(expected, axis=1))


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (element("jet", 0, "pt", "GeV"), "pt of jet 0 in unit 'GeV'"),
        (element("muon", 8, "pt"), "pt of muon 8 in unit 'hw'"),
        (element("met", 1, "pt"), "pt of met 1 in unit 'hw'"),
        (element("jet", 0, "mass"), "mass of jet 0 in unit 'hw'"),
        (element("htt", 0, "phi"), "phi of htt 0 in unit 'hw'"),
        (element("vertex", 0, "pt"), "pt of vertex 0 in unit 'hw'"),
        (element("region", 252, "et"), "et of region 252 in unit 'hw'"),
    ],
)
def test_what_packed_words_do_not_hold_is_named(one: InputElement, found: str) -> None:
    with pytest.raises(InputsInvalid) as caught:
        layout_of(inputs_of(element("jet", 0, "pt"), one), "net.json")
    expected = "a hardware integer of a Level-1 object, to score packed words"
    assert str(caught.value) == f"net.json, input 1: found {found}, expected {expected}; convert the inputs"


def test_regions_of_another_grid_are_refused() -> None:
    grid = {"tensor": "x", "regions": {"rows": 4, "columns": 4}, "type": "ap_uint<10>"}
    with pytest.raises(InputsInvalid, match="found 4 × 4 regions, expected the 252 regions of a crossing"):
        layout_of(NetworkInputs.model_validate(grid), "net.json")


def test_a_field_across_two_words_is_refused() -> None:
    with pytest.raises(InputsInvalid, match="found a field across two words of 32 bits"):
        input_table(InputLayout((WordField("muon", 0, packing.Field(30, 4)),)), np.zeros((16, 1), np.int64))


@given(
    offset=st.integers(-300, 300),
    shift=st.integers(-2, 9),
    network_input=st.sampled_from(["ap_fixed<8,6,AP_RND_CONV,AP_SAT>", "ap_fixed<14,6,AP_RND_CONV,AP_SAT>"]),
)
def test_scaled_inputs_from_words_are_the_scaling_of_the_hardware_inputs(columns_of_20, offset, shift, network_input):
    scaling = InputScaling(
        unscaled_type=FixedPoint.parse("ap_fixed<18,13>"),
        network_input_type=FixedPoint.parse(network_input),
        offset=(offset,) * 57,
        shift=(shift,) * 57,
    )
    unit = 2.0**-scaling.network_input_type.fraction_bits
    table = input_table(AXOL1TL, (scaling.apply(AXOL1TL.values()) / unit).astype(np.int64), unit)
    out = np.empty((20, 57), np.float32)
    fill_inputs(columns_of_20, table, out)
    assert np.array_equal(out, scaling.apply(hardware_inputs(AXOL1TL, columns_of_20)))
    if shift >= 0:  # else large momenta wrap in ap_fixed<18,13>
        assert not looked_up(table).any()


def looked_up(table: InputTable) -> np.ndarray:
    return table.rules[:, InputColumn.ENTRY] >= 0


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 63, 64, 65, 200])
def test_any_function_of_a_field_is_written_in_any_type(random_columns, dtype: type, n: int) -> None:
    layout = layout_of(inputs_of(*named_elements("axol1tl-57")[:20]), "a list")
    codes = np.random.default_rng(n).integers(-(2**15), 2**15, layout.values().shape)
    table = input_table(layout, codes, 0.25 if np.dtype(dtype).kind == "f" else 1.0)
    columns, out = random_columns(n, n), np.empty((n, 20), dtype)
    fill_inputs(columns, table, out)
    values, hardware = layout.values(), hardware_inputs(layout, columns)
    for i, place in enumerate(layout.fields):
        function = dict(zip(values[: 1 << place.field.bits, i].tolist(), codes[:, i].tolist(), strict=False))
        assert out[:, i].tolist() == [function[value] * table.unit for value in hardware[:, i].tolist()]
    assert looked_up(table).sum() == sum(place.field.bits > 0 for place in layout.fields)


def test_equal_tables_are_kept_once() -> None:
    layout = named_layout("cicada-252")
    codes = np.random.default_rng(0).integers(0, 9, 1024)[:, None].repeat(252, axis=1)
    table = input_table(layout, codes)
    assert looked_up(table).all()
    assert 1024 <= len(table.entries) <= 1025


def test_integers_beyond_32_bits_are_written_too(random_columns) -> None:
    layout, columns = named_layout("adc2021-57"), random_columns(100, 5)
    table = input_table(layout, (layout.values() << 40) + 3)
    for dtype in (np.int64, np.float64):
        out = np.empty((100, 57), dtype)
        fill_inputs(columns, table, out)
        assert np.array_equal(out, (hardware_inputs(layout, columns).astype(np.int64) << 40) + 3)


def test_slices_of_arrow_columns_are_read_where_they_begin(random_columns, slow_inputs) -> None:
    columns = random_columns(50, 2)
    batch: pa.RecordBatch = batch_of(columns).slice(7, 20)
    views = {name: column_view(batch.column(name)) for name in AXOL1TL.columns}
    expected = slow_inputs({name: words[7:27] for name, words in columns.items()})
    assert np.array_equal(hardware_inputs(AXOL1TL, views), expected)


def test_columns_of_another_shape_or_type_are_refused(random_columns) -> None:
    columns = random_columns(6, 3)
    for name, other in (("eg", np.zeros((5, 12), np.uint32)), ("jet", np.zeros((6, 10), np.uint32))):
        with pytest.raises(InputsInvalid, match=f"column '{name}': found {other.dtype} "):
            hardware_inputs(AXOL1TL, columns | {name: other})
    with pytest.raises(InputsInvalid, match="column 'eg': found int32"):
        hardware_inputs(AXOL1TL, columns | {"eg": columns["eg"].view(np.int32)})
    del columns["sums"]
    with pytest.raises(InputsInvalid, match="expected a column 'sums'"):
        hardware_inputs(AXOL1TL, columns)
