"""Processes as configuration: the shipped ones, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from triggers.errors import BadValue, L1ChainError, UnknownName
from triggers.events.simulation.process import load_process, process_names

WANTED = {
    *("zero_bias", "ggh_bb", "ggh_gamgam", "ggh90_gamgam", "ggh_tautau", "ggh_ww_lnuqq", "hh_4b", "hhh_4b2tau"),
    *("vbf_h_tautau", "vbf_h_bb", "w_taunu_3mu", "tth_bb", "tth_cc", "ttbar", "z_mumu", "z_ee", "w_lnu", "jpsi_mumu"),
    *("a_4l", "lq_btau", "h0_tautau", "hpm_taunu", "suep", "svj", "h_ss_4b", "qcd_15_20", "qcd_170_300", "qcd_300"),
}


def test_every_process_is_there():
    assert set(process_names()) >= WANTED


@pytest.mark.parametrize("name", process_names())
def test_shipped_processes_are_valid_and_say_what_they_are(name: str):
    stem, process = load_process(name)
    assert stem == name
    assert process.description.endswith(".")


def test_hard_components_of_zero_bias_take_over_where_the_soft_one_ends():
    _, process = load_process("zero_bias")
    soft, *others = process.components
    bins = [c.pthat_gev for c in others if c.name.startswith("qcd")]
    edges = [soft.pthat_gev[1], *(high for _, high in bins)]
    assert [low for low, _ in bins] == edges[:-1]
    assert edges[-1] is None


def test_an_unknown_process_is_named_with_those_that_exist():
    with pytest.raises(UnknownName, match="ggh_bb"):
        load_process("ggh_b")


def component(**changes: object) -> str:
    content = {"name": "mine", "pythia": '["HardQCD:all = on"]', **changes}
    return "description: x\ncomponents:\n  - " + "\n    ".join(f"{key}: {value}" for key, value in content.items())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pthat_gev": "[30, 20]"}, "must rise"),
        ({"pthat_gev": "[-1, 20]"}, "must rise"),
        ({"soft": "true"}, "soft component needs"),
        ({"interactions": 0}, "interactions"),
        ({"cross_section_factor": -1}, "cross_section_factor"),
        ({"pythia": '["Beams:eCM = 100000"]'}, "set by l1chain"),
        ({"pythia": '["Init:plugins = {evil.so::Hook}"]'}, "set by l1chain"),
        ({"pythia": '["HardQCD"]'}, "no setting"),
        ({"pythia": "[]"}, "pythia"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_unphysical_and_dangerous_configurations_are_refused(tmp_path: Path, changes: dict[str, object], says: str):
    path = tmp_path / "mine.yaml"
    path.write_text(component(**changes))
    with pytest.raises(L1ChainError, match=says) as error:
        load_process(path)
    assert "mine.yaml" in str(error.value)


def test_two_components_of_one_name_are_refused(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    text = component()
    path.write_text(text + "\n" + text.partition("components:\n")[2])
    with pytest.raises(BadValue, match="one name"):
        load_process(path)
