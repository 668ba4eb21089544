"""Run docs/tutorial.ipynb and store what its cells show: python scripts/make_tutorial.py.

Its cells are its source: edit them in Jupyter or by hand. Stored are outputs without times, counts of
other runs, versions, or places of this machine, so that the same program makes the same file.
"""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TUTORIAL = Path(__file__).resolve().parent.parent / "docs" / "tutorial.ipynb"


def executed(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs that its cells have now. Raises CellExecutionError."""
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", record_timing=False, coalesce_streams=True
    )
    # The backend of a notebook, not that of whoever runs this.
    client.execute(env={**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"})
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


if __name__ == "__main__":
    nbformat.write(executed(TUTORIAL), TUTORIAL)
