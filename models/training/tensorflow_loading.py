"""TensorFlow, loaded without what its libraries say of drivers and instructions that nobody asked for."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_STDERR: Final = 2
_ERRORS_OF_DRIVERS_TOO: Final = "3"


def load_tensorflow() -> None:
    """Import TensorFlow once; what it writes meanwhile is shown if that fails.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _ERRORS_OF_DRIVERS_TOO)
    if "tensorflow" not in sys.modules:
        with _errors_held():  # its libraries disregard the level until they are loaded
            importlib.import_module("tensorflow")


@contextmanager
def _errors_held() -> Iterator[None]:
    """Keep what is written to standard error, by native code too; write it after all if the block fails."""
    sys.stderr.flush()
    stderr = os.dup(_STDERR)
    try:
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), _STDERR)
            try:
                yield
            except BaseException:
                held.seek(0)
                os.write(stderr, held.read())
                raise
            finally:
                os.dup2(stderr, _STDERR)
    finally:
        os.close(stderr)
