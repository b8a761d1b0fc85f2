"""All forms of a version give one score (docs/firmware.md, "Verify")."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("da4ml", reason="the extra [firmware] is not installed")

from firmware import verification_forms
from firmware.build_requests import BuildRequest, Tool, rtl_request
from firmware.hls_build import Flavour
from firmware.hls_strategies import Strategy
from firmware.ports import Ports, fitting_rows, port_types
from firmware.verification import verify
from firmware.verification_forms import LOGIC, Form, FormOpener, csim_name, forms_of
from firmware.verification_inputs import N_RANDOM, crossings, input_sets
from models.backends import fixed, open_backend
from models.network import NETWORK_FILE
from models.repository import LoadedVersion
from stream.cli.app import app
from tests.firmware.extras import needs_hls4ml
from tests.models.conftest import write_version
from tests.models.encoder_networks import encoder_document, region_document, version_from
from triggers.errors import BadValue
from triggers.events.synthetic import SyntheticSource

pytestmark = needs_hls4ml

SMALL = (3, 2)
CSIM = csim_name(Flavour.VITIS, Strategy.LATENCY)
needs_ghdl = pytest.mark.skipif(shutil.which("ghdl") is None, reason="ghdl is not installed (apt-get install ghdl)")


def _version() -> LoadedVersion:
    return version_from(encoder_document(4, SMALL))


def test_all_that_is_built_is_compared() -> None:
    assert list(forms_of(_version())) == [
        "Vitis C-sim, latency",
        "Vitis C-sim, resource, reuse 4",
        "Vitis C-sim, distributed arithmetic",
        "Vivado C-sim, latency",
        "Vivado C-sim, resource, reuse 4",
        "Vivado C-sim, distributed arithmetic",
        "da4ml logic",
        "Verilog",
        "VHDL",
    ]


def _agrees(version: LoadedVersion, ports: Ports, n: int, forms: Mapping[str, FormOpener]) -> None:
    sets = input_sets(version, ports, SyntheticSource(n // 5), n)
    rows = list(verify(version, rtl_request(ports=ports), sets, forms))
    assert [(row.form, row.inputs) for row in rows] == [(form, name) for form in forms for name in sets]
    assert {(row.differing, row.why_not) for row in rows} == {(0, "")}
    assert all(row.crossings == len(sets[row.inputs]) for row in rows if row.inputs != "reference")


def test_a_small_network_agrees_in_logic_and_one_c_simulation_of_each_strategy() -> None:
    of_vitis = {name: form for name, form in forms_of(_version()).items() if name.startswith(("Vitis", LOGIC))}
    _agrees(_version(), Ports.PACKED, 2000, of_vitis)


@pytest.mark.heavy
@pytest.mark.timeout(900)  # three compilers, on machines that do other things too
@needs_ghdl
def test_a_small_network_agrees_in_every_form() -> None:
    _agrees(_version(), Ports.PACKED, 20_000, forms_of(_version()))


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@needs_ghdl
def test_a_network_of_deployed_size_agrees_in_every_form() -> None:
    version = version_from(encoder_document(1))
    _agrees(version, Ports.DECLARED, N_RANDOM, forms_of(version))


def test_what_is_compiled_to_one_object_is_run_once() -> None:
    ran: list[str] = []

    def counted(name: str, opened: FormOpener) -> FormOpener:
        def counting(version: LoadedVersion, request: BuildRequest, stack: ExitStack) -> Form:
            form = opened(version, request, stack)
            return replace(form, score=lambda inputs: (ran.append(name), form.score(inputs))[1])

        return counting

    names = (CSIM, csim_name(Flavour.VIVADO, Strategy.LATENCY))
    forms = {name: counted(name, forms_of(_version())[name]) for name in names}
    rows = list(verify(_version(), rtl_request(), input_sets(_version(), Ports.DECLARED, None, 10), forms))
    assert ran == [CSIM, CSIM]
    assert [(row.form, row.differing, row.crossings) for row in rows] == [
        (name, 0, n) for name in names for n in (rows[0].crossings, 10)
    ]


def _wrong(form: str, shift: int) -> Mapping[str, FormOpener]:
    """One form alone, whose every score is wrong by `shift`."""
    opened = forms_of(_version())[form]

    def wrong(version: LoadedVersion, request: BuildRequest, stack: ExitStack) -> Form:
        right = opened(version, request, stack)
        return replace(right, score=lambda inputs: right.score(inputs) + shift)

    return {form: wrong}


def test_the_first_differences_are_shown_with_the_values_of_every_layer() -> None:
    version = _version()
    (row, *_) = verify(version, rtl_request(), input_sets(version, Ports.DECLARED, None, 10), _wrong(CSIM, 1))
    assert row.differing == row.crossings
    first = row.first[0]
    assert (first.found, first.expected) == (first.expected + 1, first.layers["score:integer"][0])
    codes = fixed.run(version.network, np.array([first.inputs]))
    assert first.layers == {name: values.ravel().tolist() for name, values in codes.items()}
    assert first.layers_found is not None
    assert set(first.layers_found) >= {layer.output for layer in version.network.layers}
    assert first.first_layer is None


def test_the_command_ends_with_1_if_a_score_differs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_version(tmp_path, "small", "v1", {NETWORK_FILE: json.dumps(encoder_document(4, SMALL)).encode()})
    arguments = ["firmware", "verify", "small/v1", "--random", "10", "--repository", str(tmp_path)]
    for shift, code in ((0, 0), (1, 1)):
        with monkeypatch.context() as patch:
            forms = _wrong(LOGIC, shift)
            patch.setattr(verification_forms, "forms_of", lambda *_, forms=forms: forms)
            ended = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
        assert ended.exit_code == code, ended.output
        assert ("score:integer" in ended.stdout) == bool(shift)


def test_a_form_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("firmware.da4ml_package.find_spec", lambda _: None)
    sets = input_sets(_version(), Ports.DECLARED, None, 10)
    rows = list(verify(_version(), rtl_request(), sets, forms_of(_version(), tools=(Tool.DA4ML,))))
    assert {(row.differing, "pip install" in row.why_not) for row in rows} == {(None, True)}
    write_version(tmp_path, "small", "v1", {NETWORK_FILE: json.dumps(encoder_document(4, SMALL)).encode()})
    arguments = ["firmware", "verify", "small/v1", "--backend", "da4ml", "--repository", str(tmp_path)]
    ended = CliRunner().invoke(app, [*arguments, "--random", "10"], env={"COLUMNS": "200"})
    assert ended.exit_code == 2
    assert "da4ml logic, Verilog, VHDL not compared: da4ml: the package is not installed" in ended.stdout
    assert "pip install 'l1chain[firmware]'" in ended.stdout


def test_random_inputs_reach_the_ends_of_every_port() -> None:
    version = _version()
    for ports in Ports:
        kinds = port_types(version, ports)
        inputs = input_sets(version, ports, None, 2000)["random extremes"]
        assert fitting_rows(inputs, kinds).all()
        low, high = np.array([kind.range for kind in kinds]).T
        np.testing.assert_array_equal(inputs.min(axis=0), low)
        np.testing.assert_array_equal(inputs.max(axis=0), high)


def test_numbers_of_types_beyond_float64_are_drawn_as_far_as_it_holds_them() -> None:
    document = encoder_document(4, SMALL)
    document["inputs"]["type"] = "ap_ufixed<70,60>"
    inputs = input_sets(version_from(document), Ports.DECLARED, None, 100)["random extremes"]
    assert (inputs.min(), inputs.max()) == (0.0, 2.0**43)


def test_packed_ports_take_all_that_packed_words_hold() -> None:
    version = _version()
    inputs = crossings(version, SyntheticSource(5000))
    assert inputs.shape == (5000, 57)
    assert fitting_rows(inputs.astype(float), port_types(version, Ports.PACKED)).all()
    assert max(kind.bits for kind in port_types(version, Ports.PACKED)) < version.network.given_type.bits


def test_zero_bias_without_the_columns_that_are_read_is_refused() -> None:
    with pytest.raises(BadValue, match="has no column 'regions'"):
        crossings(version_from(region_document(1)), SyntheticSource(100))


def test_the_interpreter_scores_packed_words_as_fixed_does() -> None:
    version = _version()
    (batch,) = SyntheticSource(3000).batches(3000)
    columns = {name: batch.column(name).flatten().to_numpy().reshape(len(batch), -1) for name in version.layout.columns}
    expected = open_backend("fixed", version).score(columns)
    found = open_backend("da4ml", version).score(columns)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)
    assert open_backend("da4ml", version).score_inputs(np.empty((0, 57))).shape == (0,)
