"""Tables of the page on training memory: facts in the order in which they are shown."""

from typing import Any

__all__ = ["LIMITS_PCT", "error_rows", "fits_table", "grouped_evidence"]

LIMITS_PCT = {  # targets: the error is at most that, in percent
    "measured": {"median": 3.0, "worst": 7.0},
    "tracked": {"worst": 1.0},
}
_KINDS = {  # in the order of the table
    "arithmetic": "pure counting: printed figures that follow from shapes alone",
    "convention": "printed figures that follow a paper's own rule",
    "measured": "peaks that others measured",
    "tracked": "peaks of our own execution",
}


def error_rows(errors: dict[str, Any], peer: dict[str, Any]) -> list[dict[str, Any]]:
    """Errors beside what they are judged by.

    Args:
        errors: ``errors`` of :func:`consilico.reports.memory.facts.memory_facts`.
        peer: Name of the tool whose runs are taken too, and its own ``worst_pct`` on them.

    Returns:
        ``label``, ``runs``, and for ``median`` and ``worst`` the error, ``limit`` (None where
        there is none) and ``met``, all in percent.
    """
    peer_limits = {"worst": peer["worst_pct"]}
    return [
        {
            "label": label,
            "runs": errors[key]["runs"],
            **{name: _judged(errors[key][name], limits.get(name)) for name in ("median", "worst")},
        }
        for key, label, limits in (
            ("measured", "measured by others, settings all stated", LIMITS_PCT["measured"]),
            ("peer", f"of these, {peer['name']}'s own; limit: its own worst", peer_limits),
            ("tracked", "our own execution, tracked", LIMITS_PCT["tracked"]),
        )
    ]


def _judged(error: float, limit: float | None) -> dict[str, Any]:
    return {"error": error, "limit": limit, "met": None if limit is None else error <= limit}


def grouped_evidence(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of evidence by kind, each with ``beyond``: whether it misses what its kind aims at.

    A printed figure is missed where the digits differ, a peak where the error is over the limit.
    """
    groups = []
    for kind, words in _KINDS.items():
        limit = LIMITS_PCT.get(kind, {}).get("worst")
        own = [
            row | {"beyond": not row["exact"] if limit is None else abs(row["error_pct"]) > limit}
            for row in rows
            if row["kind"] == kind
        ]
        groups.append({"kind": kind, "words": words, "digits": limit is None, "rows": own})
    return groups


def fits_table(fits: dict[str, Any], methods: list[dict[str, Any]]) -> dict[str, Any]:
    """A row for each method, with the largest batches of every length and memory.

    Returns:
        ``sequences``; ``rows`` of ``title``, ``rank`` and ``cells``, each with ``batch``, ``shade``
        (0 where nothing fits, one more for each doubling) and ``first`` (of its length); and
        ``most``, the greatest batch that was tried.
    """
    titles = {method["name"]: method["title"] for method in methods}
    sequences = sorted({row["sequence"] for row in fits["rows"]})
    found = {(row["method"], row["rank"], row["sequence"]): row for row in fits["rows"]}
    rows = []
    for name, rank in dict.fromkeys((row["method"], row["rank"]) for row in fits["rows"]):
        cells = []
        for sequence in sequences:
            largest = found[name, rank, sequence]["largest_batch"]
            batches = [largest[memory] for memory in fits["memories"]]
            cells += [
                {"batch": batch, "shade": batch.bit_length(), "first": index == 0}
                for index, batch in enumerate(batches)
            ]
        rows.append({"title": titles[name], "rank": rank, "cells": cells})
    most = max(cell["batch"] for row in rows for cell in row["cells"])
    return {"sequences": sequences, "rows": rows, "most": most}
