"""Builds the report from the facts that ``sim`` gathers; measures nothing itself."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from consilico.reports.summary import summary
from consilico.reports.verdict import verdict
from consilico.sim.base.files import write_atomic
from consilico.sim.base.progress import Progress
from consilico.sim.base.results import digest

__all__ = ["build_report", "write_report"]

_HERE = Path(__file__).parent


def build_report(output: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Gather the facts and write ``index.html``, ``report.json`` and PNG figures to ``output``.

    What is there already and still right is left as it is.

    Args:
        output: Folder, made where it is missing.
        progress: Called with a label, steps done and steps in all.

    Returns:
        ``index`` (path of the page), ``passed``, and the counts of :func:`verdict.verdict`.

    Raises:
        UserError: If a tool is missing or the folder cannot be written; an earlier report stays.
    """
    return write_report(summary(progress), output)


def write_report(facts: dict[str, Any], output: Path) -> dict[str, Any]:
    """Write the report of these facts.

    Raises:
        KeyError: If a fact is missing.
        jinja2.UndefinedError: If the page names a fact that is not there.
        UserError: If the folder cannot be written.
    """
    judged = verdict(facts)
    key = digest(
        facts,
        judged,
        [version(name) for name in ("jinja2", "matplotlib", "plotly")],
        *(path.read_bytes() for path in sorted(_HERE.iterdir()) if path.is_file()),
    )
    if not _is_there(output, key):
        _render(facts, judged, output, key)
    return {"index": str((output / "index.html").absolute()), **judged}


def _is_there(output: Path, key: str) -> bool:
    """Whether the folder holds the report of that key, undamaged."""
    try:
        rendering = json.loads((output / "report.json").read_text())["rendering"]
        return rendering["key"] == key and all(
            hashlib.sha256((output / name).read_bytes()).hexdigest() == sha256
            for name, sha256 in rendering["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _render(facts: dict[str, Any], judged: dict[str, Any], output: Path, key: str) -> None:
    from consilico.reports.charts import charts
    from consilico.reports.page.render import page
    from consilico.reports.page.static_charts import image

    drawn = charts(facts)
    note = "synthetic scores: the language model is not installed"
    figures = {
        chart.name: image(chart, note=note if facts["traffic"]["synthetic"] else "")
        for chart in drawn
    }
    html = page(facts, judged, drawn, figures).encode()
    files = {f"{name}.png": raw for name, raw in figures.items()} | {"index.html": html}
    sums = {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
    document = {"verdict": judged, **facts, "rendering": {"key": key, "files": sums}}
    for name, raw in figures.items():
        write_atomic(output / f"{name}.png", raw)
    write_atomic(output / "report.json", json.dumps(document, indent=1) + "\n")
    write_atomic(output / "index.html", html)
