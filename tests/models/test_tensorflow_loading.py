"""What libraries write while TensorFlow is loaded is shown only if that fails."""

from __future__ import annotations

import importlib
import os
import sys

import pytest

from models.training.tensorflow_loading import load_tensorflow

STDERR = 2


@pytest.fixture
def tensorflow_that_talks(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An import that writes to standard error as native code does."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(importlib, "import_module", lambda _name: os.write(STDERR, b"no drivers\n"))
    return monkeypatch


def test_what_native_code_writes_is_not_shown(tensorflow_that_talks, capfd):
    load_tensorflow()
    assert capfd.readouterr().err == ""
    os.write(STDERR, b"later\n")
    assert capfd.readouterr().err == "later\n"


def test_it_is_shown_if_the_import_fails(tensorflow_that_talks, capfd):
    def fails(_name: str) -> None:
        os.write(STDERR, b"a library is broken\n")
        raise ImportError

    tensorflow_that_talks.setattr(importlib, "import_module", fails)
    with pytest.raises(ImportError):
        load_tensorflow()
    assert capfd.readouterr().err == "a library is broken\n"
