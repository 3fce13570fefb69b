"""Parts of docs/explore.md that quote figures: the front of its space, and measured speeds."""

from collections.abc import Callable
from functools import cache
from typing import Any

from scripts.document_text import DOCS, paragraph, read_table, table

__all__ = ["PARTS"]

_SPACE = DOCS.parent / "examples" / "space.toml"


@cache
def _exploration() -> dict[str, Any]:
    import consilico

    return consilico.explore(_SPACE, workers=1).to_json()


def explore_space() -> str:
    """Return the example's space as it is."""
    return f"```toml\n{_SPACE.read_text()}```"


def explore_front() -> str:
    """Return the front of the example's space."""
    found = _exploration()
    counts = found["counts"]
    names = [name for name in found["varied"] if name != "normaliser"]
    head = ["point", *names, "normalizer", "ms", "mJ", "mm²", "bound", "certain"]
    rows = [
        [
            str(item["index"]), *(str(item["settings"][name]) for name in names),
            f"`{item['settings']['normaliser']}`", _range(item["latency_s"], 1e3),
            _range(item["energy_j"], 1e3), _range(item["area_um2"], 1e-6), item["bound"],
            "yes" if item["certain"] else "",
        ]
        for item in found["front"]
    ]  # fmt: skip
    pairs = sum(item["pairs"] for item in found["rank_inversions"])
    words = paragraph(
        f"""Of {counts["space"]:,} chips {counts["points"]:,} meet the constraints on fields and
        {counts["within"]:,} all of them; {counts["candidates"]} may be on the front,
        {counts["front"]} are by the middles of their intervals, and {counts["certain"]} of these
        wherever in the intervals the truth lies. From closed forms to the event model {pairs} pairs
        change places."""
    )
    return f"{words}\n\n{table(head, rows, '---:')}"


def explore_speed() -> str:
    """Return how fast closed forms are."""
    found = read_table(DOCS / "explore_speed.json")
    return paragraph(
        f"""A processor looks at {found["points_per_cpu_s"]:,} chips of this space in a second
        ({found["points"]:,} chips in {found["cpu_s"]:g} s of processor time, nothing known before;
        {found["machine"]}, {found["measured_at"]})."""
    )


def _range(interval: dict[str, float], unit: float) -> str:
    value, low, high = (interval[name] * unit for name in ("value", "low", "high"))
    return f"{value:.3g}" if high - low < 0.005 * value else f"{value:.3g} ({low:.3g}..{high:.3g})"


PARTS: dict[str, Callable[[], str]] = {
    "explore_front": explore_front,
    "explore_space": explore_space,
    "explore_speed": explore_speed,
}
