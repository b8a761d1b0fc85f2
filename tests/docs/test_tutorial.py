"""The tutorial, executed by a kernel as a reader would execute it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.ipynb"
MOST_BYTES = 20_000

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


def test_every_cell_of_the_tutorial_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="install the extra [dev]")
    nbclient = pytest.importorskip("nbclient", reason="install the extra [dev]")
    pytest.importorskip("ipykernel", reason="install the extra [dev]")
    # This Python is the kernel, whatever kernels the account has; notebooks of others leave no trace in it.
    kernels = tmp_path / "jupyter"
    (kernels / "kernels" / "python3").mkdir(parents=True)
    monkeypatch.setenv("JUPYTER_PATH", str(kernels))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {"argv": command, "display_name": "this Python", "language": "python"}
    (kernels / "kernels" / "python3" / "kernel.json").write_text(json.dumps(kernel))
    notebook = nbformat.read(TUTORIAL, as_version=4)
    nbclient.NotebookClient(notebook, timeout=540, resources={"metadata": {"path": str(tmp_path)}}).execute()
    texts = [out.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    assert any("decides again from lumi section" in text for text in texts)


def test_the_tutorial_is_kept_without_outputs() -> None:
    assert TUTORIAL.stat().st_size < MOST_BYTES
    assert '"output_type"' not in TUTORIAL.read_text()
