"""What tests need beside the core, found without importing it: hls4ml takes seconds."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

needs_hls4ml = pytest.mark.skipif(find_spec("hls4ml") is None, reason="the extra [firmware] is not installed")
