"""Limits of the memory ledger's errors, and its tables in the order in which they are shown."""

import tomllib
from pathlib import Path
from typing import Any

from consilico.reports.page.section import Card, Check, Judged

__all__ = ["LIMITS_PCT", "error_rows", "fits_table", "grouped_evidence", "judge_memory"]

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


def judge_memory(facts: dict[str, Any]) -> Judged:
    """Judge the ledger's errors, and whether the headline's run fits its GPU.

    Args:
        facts: From :func:`consilico.reports.memory.facts.memory_facts`.

    Returns:
        Rows ``errors`` (:func:`error_rows`), ``evidence`` (:func:`grouped_evidence`) and ``fits``
        (:func:`fits_table`).
    """
    peer = tomllib.loads(Path(__file__).with_name("peer.toml").read_text())
    errors = error_rows(facts["errors"], peer)
    run = facts["headline"]
    checks = [
        Check(
            what=f"training memory, {name} error of peaks {row['label']}",
            limit=f"at most {row[name]['limit']:g} %",
            measured=f"{row[name]['error']:.3f} %",
            met=row[name]["met"],
        )
        for row in errors
        for name in ("median", "worst")
        if row[name]["limit"] is not None
    ]
    needed, there = run["needed_bytes"] / 1e9, run["memory_bytes"] / 1e9
    card = Card(
        label=f"{run['model']} with {run['method']} on one {facts['card']['title']}",
        value="Fits" if run["fits"] else "Does NOT fit",
        note=f"needs {needed:.2f} GB of {there:.2f} GB",
        kind="counted",
        good=bool(run["fits"]),
    )
    rows = {
        "errors": errors,
        "evidence": grouped_evidence(facts["evidence"]),
        "fits": fits_table(facts["fits"], facts["methods"]),
        "headroom_is_within_error": abs(run["headroom_bytes"])
        < run["peak_bytes"] * run["error_bar_pct"] / 100,
    }
    return Judged(checks=checks, cards=[card], rows=rows)
