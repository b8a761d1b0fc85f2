"""A manifest is strict: what it does not know, or what contradicts itself, is refused in one sentence."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from models.manifest import Manifest, render_manifest
from triggers.errors import BadValue, FileUnreadable, L1ChainError
from triggers.strict_yaml import read_yaml

PATH = "axol1tl/v1/manifest.yaml"


@pytest.fixture
def document(make_version) -> dict[str, Any]:
    return yaml.safe_load((make_version() / "manifest.yaml").read_text(encoding="utf-8"))


def parsed(document: Any) -> Manifest:
    return read_yaml(yaml.safe_dump(document).encode(), PATH, Manifest)


def test_what_is_written_is_read_back(document) -> None:
    manifest = parsed(document)
    assert read_yaml(render_manifest(manifest).encode(), PATH, Manifest) == manifest


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("colour", "blue", "unknown key 'colour'; use one of"),
        (
            "inputs.layout",
            "axol1tl-58",
            "inputs.layout: found 'axol1tl-58'; input should be 'axol1tl-57', ",
        ),
        ("inputs.scaling.offset", [0] * 56, "56 offsets and 57 shifts"),
        ("inputs.scaling.network_input_type", "float", "'float' is no fixed-point type"),
        ("score.kind", "maximum", "score.kind: found 'maximum'; input should be 'sum_of_squares'"),
        ("score.bits", 64, "score.bits: found 64; input should be less than or equal to 31"),
        (
            "working_points.nominal.threshold",
            1 << 24,
            "threshold 16777216 of 'nominal' is beyond the score's end, 16777215",
        ),
        (
            "working_points.nominal.threshold",
            "many",
            "working_points.nominal.threshold: found 'many'; input should be a valid integer",
        ),
        ("working_points.nominal.rate_hz", float("nan"), "working_points.nominal.rate_hz: found nan; input should be"),
        ("files", {}, "files: found {}; dictionary should have at least 1 item"),
        ("files", {"manifest.yaml": 64 * "0"}, "files must not list manifest.yaml itself"),
        (
            "files",
            {"../network.onnx": 64 * "0"},
            "[key]: found '../network.onnx'; string should match pattern",
        ),
        ("files", {"network.onnx": "abc"}, "files.network.onnx: found 'abc'; string should match pattern"),
    ],
)
def test_rules(document, path: str, value: Any, message: str) -> None:
    *parents, last = path.split(".")
    part = document
    for parent in parents:
        part = part[parent]
    part[last] = value
    with pytest.raises(L1ChainError) as caught:
        parsed(document)
    assert str(caught.value).startswith(PATH)
    assert message in str(caught.value)


def test_a_scaling_of_too_few_inputs_is_refused(document) -> None:
    document["inputs"]["scaling"] |= {"offset": [0, 0], "shift": [1, 1]}
    with pytest.raises(BadValue, match="scaling of 2 inputs, layout axol1tl-57 has 57"):
        parsed(document)


def test_a_missing_field_is_named(document) -> None:
    del document["precision"]
    with pytest.raises(BadValue, match=r"manifest.yaml: key 'precision' is missing"):
        parsed(document)


@pytest.mark.parametrize("key", ["inputs", "score"])
def test_what_the_network_description_states_is_not_stated_again(document, key: str) -> None:
    without = {**document, "files": {"network.json": 64 * "0"}}
    del without["inputs"], without["score"]
    assert parsed(without).inputs is None
    with pytest.raises(BadValue, match=f"remove '{key}', which network.json states"):
        parsed(without | {key: document[key]})
    del document[key]
    with pytest.raises(BadValue, match=f"state '{key}', as there is no network.json that does"):
        parsed(document)


def test_a_key_that_stands_twice_is_refused(document) -> None:
    content = yaml.safe_dump(document).encode() + b"description: another\n"
    with pytest.raises(FileUnreadable, match=r"key 'description' stands twice"):
        read_yaml(content, PATH, Manifest)


@pytest.mark.parametrize("content", [b"name: [", b"\xff\xfe\xfa", b"", b"- 1", b"!!python/object:os.system {}"])
def test_other_content_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(L1ChainError) as caught:
        read_yaml(content, PATH, Manifest)
    assert "\n" not in str(caught.value)


def test_a_manifest_is_frozen(document) -> None:
    with pytest.raises(ValueError, match="frozen"):
        parsed(document).name = "other"
