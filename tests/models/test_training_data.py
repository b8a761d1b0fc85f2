"""What a network can be trained on, and what is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.fixed_point import FixedPoint
from models.inputs import hardware_inputs
from models.layouts import named_layout
from models.training.data import TrainingData, WantedCrossings, read_training_data
from models.training.errors import TrainingDataUnfit
from models.training.quantiles import LEAST_PRESENT, momentum_inputs, quantile_scaling
from models.training.settings import TrainingSettings
from tests.models.training_data import HeldSource, random_data
from triggers.errors import BadValue, UnknownName
from triggers.events.crossings import batch_of, column_view
from triggers.events.synthetic import SyntheticSource
from triggers.strict_yaml import validated

LAYOUT = "axol1tl-57"
NETWORK_INPUT = FixedPoint.parse("ap_fixed<8,6,AP_RND_CONV,AP_SAT>")
WANTED = WantedCrossings(LAYOUT, 3000, seed=1)


def held(n: int = 2000, **more: np.ndarray | pa.Array) -> HeldSource:
    batch = next(iter(SyntheticSource(n).batches(n)))
    columns = {name: column_view(batch.column(name)) for name in batch.schema.names}
    return HeldSource(batch_of(columns | more))


def processes(*names: str, n: int = 2000) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.arange(n, dtype=np.int32) % len(names), list(names))


def test_the_first_crossings_of_a_source_are_read_as_the_layout_has_them() -> None:
    data = read_training_data(SyntheticSource(20_000), WANTED)
    batch = next(iter(SyntheticSource(3000).batches(3000)))
    layout = named_layout(LAYOUT)
    expected = hardware_inputs(layout, {name: column_view(batch.column(name)) for name in layout.columns})
    assert np.array_equal(data.inputs, expected)
    assert data.inputs.dtype == np.int16
    assert data.digest == read_training_data(SyntheticSource(20_000), WANTED).digest


def test_context_rows_are_passed_over() -> None:
    context = np.arange(2000) % 4 == 0
    assert len(read_training_data(held(context=pa.array(context)), WANTED).inputs) == 1500


def test_weighted_crossings_are_drawn_in_proportion_to_their_weights() -> None:
    weights = np.where(np.arange(2000) < 1000, 1.0, 0.0).astype(np.float32)
    data = read_training_data(held(weight=weights), WANTED)
    possible = read_training_data(held(1000), WANTED).inputs
    assert len(data.inputs) == 2000
    assert {row.tobytes() for row in data.inputs} <= {row.tobytes() for row in possible}


@pytest.mark.parametrize("weight", [np.nan, np.inf, -1.0, 0.0])
def test_unusable_weights_are_refused(weight: float) -> None:
    with pytest.raises(TrainingDataUnfit, match="held: has weights that are negative, infinite, NaN or all 0; correct"):
        read_training_data(held(weight=np.full(2000, weight, np.float32)), WANTED)


def test_too_few_crossings_are_refused() -> None:
    with pytest.raises(TrainingDataUnfit, match="has 999 crossings to train on, at least 1000 are needed; give more"):
        read_training_data(SyntheticSource(999), WANTED)


def test_too_few_that_pass_a_preselection_are_told_as_such() -> None:
    wanted = WantedCrossings("axol1tl-57", 3000, seed=1, accepted=lambda rows: np.arange(len(rows)) < 7)
    what = "has 7 crossings to train on, at least 1000 are needed; of 2000 crossings the others do not pass"
    with pytest.raises(TrainingDataUnfit, match=what):
        read_training_data(SyntheticSource(2000), wanted)


def test_crossings_that_are_all_the_same_are_refused() -> None:
    regions = WantedCrossings("cicada-252", 3000, seed=1)
    with pytest.raises(
        TrainingDataUnfit, match="has the same inputs cicada-252 in all 2000 crossings; give crossings th"
    ):
        read_training_data(held(regions=np.full((2000, 252), 7, np.uint16)), regions)


def test_signals_are_refused_and_zero_bias_of_any_name_is_not() -> None:
    with pytest.raises(TrainingDataUnfit, match="holds crossings of the process 'ttbar'; train on zero bias only"):
        read_training_data(held(process=processes("zero_bias", "ttbar")), WANTED)
    names = processes("zero_bias", "ZB_run396102", "SingleNeutrino_E-10-gun")
    assert len(read_training_data(held(process=names), WANTED).inputs) == 2000


def test_empty_inputs_and_missing_columns_are_refused() -> None:
    regions = WantedCrossings("cicada-252", 3000, seed=1)
    with pytest.raises(TrainingDataUnfit, match="held: is empty for the inputs cicada-252"):
        read_training_data(held(regions=np.zeros((2000, 252), np.uint16)), regions)
    with pytest.raises(TrainingDataUnfit, match="has no column 'regions'; give crossings that have it"):
        read_training_data(held(), regions)


def test_the_scaling_is_median_and_half_of_the_central_68_percent_where_the_object_is_present() -> None:
    data = random_data(LAYOUT)
    scaling = quantile_scaling(data, NETWORK_INPUT, allow_constant=False)
    present = data.inputs[data.inputs[:, 3] > 0, 3]
    assert scaling.offset[3] == round(float(np.median(present)))
    low, high = np.percentile(present, [16, 84])
    assert scaling.shift[3] == round(np.log2((high - low) / 2))


def test_an_object_that_is_rare_is_scaled_as_the_one_before_it() -> None:
    data = random_data(LAYOUT)
    fourth_muon = slice(24, 27)
    inputs = data.inputs.copy()
    inputs[LEAST_PRESENT - 1 :, fourth_muon] = 0
    scaling = quantile_scaling(TrainingData(LAYOUT, inputs, "", ""), NETWORK_INPUT, allow_constant=False)
    assert scaling.offset[24:27] == scaling.offset[21:24]
    assert scaling.shift[24:27] == scaling.shift[21:24]


def test_momenta_can_be_divided_by_a_stated_power_of_two() -> None:
    data = random_data(LAYOUT)
    by_quantiles = quantile_scaling(data, NETWORK_INPUT, allow_constant=False)
    stated = quantile_scaling(data, NETWORK_INPUT, allow_constant=False, momentum_shift={"eg": 4})
    assert stated.offset == by_quantiles.offset
    assert [stated.shift[i] for i in (3, 6, 9, 12)] == [4, 4, 4, 4]
    assert stated.shift[:3] + stated.shift[4:6] + stated.shift[15:] == (
        by_quantiles.shift[:3] + by_quantiles.shift[4:6] + by_quantiles.shift[15:]
    )


def test_momenta_can_end_where_stated() -> None:
    data, limits = random_data(LAYOUT), {"jet": 70.0, "muon": 35.0}
    shifts = {"jet": 3, "muon": 2}
    narrow = FixedPoint.parse("ap_fixed<12,4,AP_RND_CONV,AP_SAT>")
    scaling = quantile_scaling(data, narrow, allow_constant=False, momentum_shift=shifts, momentum_limit_gev=limits)
    first_jet, first_muon = 27, 15
    rows = np.zeros((4, data.inputs.shape[1]))
    rows[:, first_jet], rows[:, first_muon] = [0, 69, 70, 700], [0, 34, 35, 250]
    scaled = scaling.apply(rows)
    end = narrow.range[1]
    assert scaled[:, first_jet].tolist() == [-6 / 8, 63 / 8, end, end]
    assert scaled[:, first_muon].tolist() == [-3 / 4, 31 / 4, end, end]
    others = quantile_scaling(data, narrow, allow_constant=False)
    assert scaling.offset[3] == others.offset[3]
    assert scaling.offset[first_jet + 1] == others.offset[first_jet + 1]


def test_momenta_count_two_hardware_units_a_gev_in_lists_that_do_not_halve_them() -> None:
    data = random_data("gelato-l1-44")
    scaling = quantile_scaling(
        data, NETWORK_INPUT, allow_constant=False, momentum_shift={"jet": 3}, momentum_limit_gev={"jet": 70.0}
    )
    first_jet = 2
    assert scaling.offset[first_jet] == 140 - 32 * 8


def test_a_limit_without_room_for_small_momenta_is_refused() -> None:
    narrow = FixedPoint.parse("ap_fixed<12,4,AP_RND_CONV,AP_SAT>")
    with pytest.raises(BadValue, match="momentum_limit_gev of 'jet'.*have room for 32 in .*; give a larger"):
        quantile_scaling(
            random_data(LAYOUT),
            narrow,
            allow_constant=False,
            momentum_shift={"jet": 1},
            momentum_limit_gev={"jet": 70.0},
        )


def test_inputs_that_do_not_vary_are_refused_unless_allowed() -> None:
    data = random_data(LAYOUT)
    inputs = data.inputs.copy()
    inputs[inputs[:, 3] > 0, 4] = 7
    constant = TrainingData(LAYOUT, inputs, "sample", "")
    with pytest.raises(TrainingDataUnfit, match="sample: 'eg 0 eta' is 7 wherever its object is there, in 3000"):
        quantile_scaling(constant, NETWORK_INPUT, allow_constant=False)
    assert quantile_scaling(constant, NETWORK_INPUT, allow_constant=True).offset[4] == 7
    inputs = data.inputs.copy()
    inputs[:, 15:27] = 0
    with pytest.raises(TrainingDataUnfit, match="'muon 0 pt' is of an object that is never there"):
        quantile_scaling(TrainingData(LAYOUT, inputs, "", ""), NETWORK_INPUT, allow_constant=False)


def test_every_input_knows_the_momentum_of_its_object() -> None:
    assert momentum_inputs("axol1tl-57").tolist() == [3 * (i // 3) for i in range(57)]
    assert momentum_inputs("gelato-l1-44").tolist() == [0, 0, *(2 + 3 * (i // 3) for i in range(42))]


def test_settings_are_strict() -> None:
    with pytest.raises(UnknownName, match="epoch'"):
        validated({"epoch": 3}, "settings", TrainingSettings)
    with pytest.raises(BadValue, match="learning_rate"):
        validated({"learning_rate": 2.0}, "settings", TrainingSettings)
