"""The notebook runs with the shipped weights, and shows what it says that it shows."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOK = Path(__file__).parents[3] / "scripts" / "notebooks" / "prediction.ipynb"


@pytest.mark.slow
def test_every_cell_runs_and_the_phantom_s_haemorrhage_is_found(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are made, not kept"
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    text = " ".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)
    assert "('positive', " in text
    assert "'lobar'" in text
    assert "normal.nii.gz  negative" in text
    assert any("image/png" in output.get("data", {}) for output in outputs), "the plot"
