"""Paragraphs and tables as the documents have them, and the tables of docs/ that they quote."""

import json
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1] / "docs"
MEASURED = DOCS / "measured.json"  # headline configurations
STUDY = DOCS / "operators_study.json"  # scripts/operators_study.py writes it
PEERS = DOCS / "memory_peers.json"  # scripts/memory_peers.py writes it
TILE_AREA = DOCS / "tile_area.json"  # scripts/tile_area.py writes it
TRIALS = DOCS / "consmax_trials.json"  # designs of the ConSmax units that were compared
LOSSES = DOCS / "training_losses.json"

_UNITS = "%|[GM]i?B|[mp]?J|n?s|W|[um]m²|V|MHz"  # that stay on the line of their number


def paragraph(text: str) -> str:
    """Return a paragraph in lines of the length that the documents have."""
    words = re.sub(rf"(\d) ({_UNITS})(?!\w)", "\\1\u00a0\\2", _percent(" ".join(text.split())))
    filled = textwrap.fill(words, 120, break_long_words=False, break_on_hyphens=False)
    return filled.replace("\u00a0", " ")


def table(head: Iterable[str], rows: Iterable[Iterable[str]], align: str = "---") -> str:
    """Return a table in Markdown; all columns but the first are aligned as ``align`` says."""
    names = list(head)
    lines = [f"| {' | '.join(names)} |", f"|---|{'|'.join([align] * (len(names) - 1))}|"]
    return _percent("\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]))


def _percent(text: str) -> str:
    return re.sub(r"(\d)%", r"\1 %", text)


def read_table(path: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(path.read_text())
