"""The analysis as files: written, or held against what is there."""

from __future__ import annotations

from pathlib import Path

from services.cost_analysis.report.analysis import analyse
from services.cost_analysis.report.inputs import Inputs
from services.errors import FolderUnusable


def _contents(inputs: Inputs, document: Path) -> dict[Path, str]:
    analysis = analyse(inputs)
    charts = document.parent / inputs.charts
    return {document: analysis.document, **{charts / name: text for name, text in analysis.charts.items()}}


def write(inputs: Inputs, document: Path) -> tuple[Path, ...]:
    """Writes the document, first, and its charts. Raises FolderUnusable where they cannot be written."""
    contents = _contents(inputs, document)
    try:
        for path, text in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FolderUnusable(f"'{error.filename}' cannot be written: {(error.strerror or 'error').lower()}.") from error
    return tuple(contents)


def stale(inputs: Inputs, document: Path) -> tuple[str, ...]:
    """The files that are not, byte for byte, what `write` would write now."""
    contents = _contents(inputs, document)
    return tuple(str(path) for path, text in contents.items() if not path.is_file() or path.read_text("utf-8") != text)
