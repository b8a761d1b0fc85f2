"""Backends are found by the entry point `l1chain.backends`."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from models.backends import backend_names, open_backend, registry
from models.backends.onnx import OnnxBackend
from models.errors import BackendMissing
from models.repository import Repository


def test_the_onnx_backend_is_registered(tmp_path: Path, make_version) -> None:
    make_version()
    assert "onnxruntime" in backend_names()
    assert isinstance(open_backend("onnxruntime", Repository(tmp_path).load("axol1tl", "v1")), OnnxBackend)


def test_an_unknown_backend_is_refused_with_those_that_exist(tmp_path: Path, make_version, monkeypatch) -> None:
    make_version()
    points = [EntryPoint(name, "nowhere:Nothing", registry.ENTRY_POINT_GROUP) for name in ("hls4ml", "fixed")]
    monkeypatch.setattr(registry, "entry_points", lambda *, group: points if group == "l1chain.backends" else [])
    with pytest.raises(
        BackendMissing, match=r"no backend 'onyx' is installed; use one of the installed backends: fixed, hls4ml"
    ):
        open_backend("onyx", Repository(tmp_path).load("axol1tl", "v1"))
