"""Limits of the ConSmax units, and how the measurements compare with them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from consilico.reports.page.section import Card, Check, Judged

__all__ = [
    "ENERGY_CLOCK_NS",
    "ERROR_LIMITS",
    "NAMES",
    "TARGETS",
    "Target",
    "beyond_together",
    "find",
    "judge_consmax",
    "judge_targets",
    "representative",
]

ENERGY_CLOCK_NS = 4.0  # energy targets hold at 250 MHz
_PAPER = "consmax/paper"
NAMES = {
    "consmax/log2": "log2",
    "consmax/split": "split",
    "consmax/paper": "paper's unit, built straight",
}
ERROR_LIMITS = {  # greatest relative error, greatest error in bf16 ulp (None: not bounded)
    "consmax/log2": (0.006, 1.0),
    "consmax/split": (0.0093, None),
}
_DIGITS = {"um2": 0, "ns": 3, "pJ": 2}


@dataclass(frozen=True, kw_only=True)
class Target:
    """One limit: INT8 in, bf16 out, configuration registers included."""

    quantity: str
    unit: str  # of the limit
    architecture: str
    key: str  # of an implementation's result
    lanes: int
    limit: float  # at most
    reference: float  # the paper's unit built straight, as stated with the targets


TARGETS = tuple(
    Target(
        quantity=quantity, unit=unit, architecture=f"consmax/{name}", key=key, lanes=lanes,
        limit=limit, reference=reference,
    )
    for quantity, unit, key, lanes, reference, limits in (
        ("area, one lane", "um2", "area_um2", 1, 4870.0, (4900.0, 1700.0)),
        ("area per lane, 16 lanes", "um2", "area_um2", 16, 4870.0, (2000.0, 1350.0)),
        ("longest path", "ns", "path_ns", 1, 2.0, (1.4, 1.1)),
        ("energy a result at 250 MHz", "pJ", "energy_pj", 1, 6.0, (4.0, 1.7)),
    )
    for name, limit in zip(("split", "log2"), limits, strict=True)
)  # fmt: skip


def find(implementations: Iterable[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    """Implementations whose entries equal all of ``wanted``, in order."""
    return [item for item in implementations if all(item[key] == wanted[key] for key in wanted)]


def representative(
    implementations: Iterable[dict[str, Any]], architecture: str
) -> dict[str, Any] | None:
    """The one netlist, at one lane, that area and longest path are both judged on.

    Of the netlists mapped for different clocks: one that keeps both limits, if any does, or else
    the one whose worse ratio to its limit is smallest; the slowest clock wins a tie.
    """
    limits = {
        target.key: target.limit
        for target in TARGETS
        if target.architecture == architecture and target.lanes == 1
    }

    def miss(point: dict[str, Any]) -> tuple[float, float]:
        result = point["result"]
        worst = max(result[key] / limits[key] for key in ("area_um2", "path_ns"))
        return max(1.0, worst), -point["clock_ns"]

    points = find(implementations, unit=architecture, lanes=1, source="normal")
    return min(points, key=miss, default=None)


def judge_targets(implementations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every target with what was measured.

    Args:
        implementations: Entries ``unit``, ``lanes``, ``clock_ns`` (what the netlist was mapped
            for), ``source`` and ``result``, as the section's facts have them.

    Returns:
        One row a target: its fields, ``measured`` (a lane or a result; None where not measured)
        with ``clock_ns`` of its netlist, ``ratio`` to the limit, ``met``, ``paper`` (the paper's
        unit in the same flow, mapped for the same clock) and ``against_paper``; ``others``: the
        same quantity of the other netlist (the 250 MHz one, or the one that area and path are
        judged on), ``clock_ns``, ``value`` and ``met``; ``real``: the energy on the language
        model's scores.
    """
    normal = find(implementations, source="normal")
    rows = []
    for target in TARGETS:
        best = representative(implementations, target.architecture)
        clocks = [ENERGY_CLOCK_NS, *([best["clock_ns"]] if best else [])]
        if target.lanes == 1 and target.key != "energy_pj":
            clocks.reverse()
        points = [
            point
            for clock_ns in dict.fromkeys(clocks)
            for point in find(
                normal, unit=target.architecture, lanes=target.lanes, clock_ns=clock_ns
            )
        ]
        judged = next((point for point in points if point["clock_ns"] == clocks[0]), None)
        measured = None if judged is None else _value(target, judged)
        paper = [_value(target, point) for point in find(normal, unit=_PAPER, clock_ns=clocks[0])]
        real = find(
            implementations, unit=target.architecture, lanes=target.lanes, source="model",
            clock_ns=ENERGY_CLOCK_NS,
        )  # fmt: skip
        rows.append(
            {
                "quantity": target.quantity, "unit": target.unit, "limit": target.limit,
                "architecture": target.architecture, "lanes": target.lanes, "key": target.key,
                "reference": target.reference, "paper": paper[0] if paper else None,
                "measured": measured, "clock_ns": judged and judged["clock_ns"],
                "ratio": None if measured is None else measured / target.limit,
                "met": None if measured is None else measured <= target.limit,
                "against_paper": measured / paper[0] if measured and paper else None,
                "others": [
                    {
                        "clock_ns": point["clock_ns"],
                        "value": _value(target, point),
                        "met": _value(target, point) <= target.limit,
                    }
                    for point in points
                    if point is not judged
                ],
                "real": _value(target, real[0]) if real and target.key == "energy_pj" else None,
            }
        )  # fmt: skip
    return rows


def beyond_together(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What an architecture misses if all its targets are judged on netlists of one clock.

    Args:
        rows: From :func:`judge_targets`.

    Returns:
        By architecture, for the clock at which least is missed: ``quantity``, ``unit``,
        ``clock_ns``, ``value`` and ``limit`` of each target missed; empty if none is.
    """
    missed: dict[str, list[dict[str, Any]]] = {}
    for architecture in dict.fromkeys(row["architecture"] for row in rows):
        own = [row for row in rows if row["architecture"] == architecture]
        values = {
            (clock_ns, row["quantity"]): value
            for row in own
            for clock_ns, value in [
                (row["clock_ns"], row["measured"]),
                *((other["clock_ns"], other["value"]) for other in row["others"]),
            ]
            if value is not None
        }
        tries = [
            [
                {name: row[name] for name in ("quantity", "unit", "limit")}
                | {"clock_ns": clock_ns, "value": values[clock_ns, row["quantity"]]}
                for row in own
                if values[clock_ns, row["quantity"]] > row["limit"]
            ]
            for clock_ns in dict.fromkeys(clock_ns for clock_ns, _ in values)
            if all((clock_ns, row["quantity"]) in values for row in own)
        ]
        if tries:
            missed[architecture] = min(tries, key=len)
    return missed


def _value(target: Target, point: dict[str, Any]) -> float:
    """Area a lane, longest path, or energy a result at 250 MHz."""
    result = point["result"]
    value = float(result[target.key])
    if target.key == "area_um2":
        return value / float(point["lanes"])
    if target.key == "energy_pj" and point["clock_ns"] != ENERGY_CLOCK_NS:
        # energy a cycle does not hang on the clock, but for leakage, which is a power
        cycles = result["activity"]["cycles"] / result["activity"]["results"]
        slower_ns = ENERGY_CLOCK_NS - float(point["clock_ns"])
        leakage_w = float(result["power"]["leakage_w"])
        return value + 1e3 * leakage_w * slower_ns * float(cycles)
    return value


def judge_consmax(facts: dict[str, Any]) -> Judged:
    """Judge targets, certificates and netlists.

    A target of area, path or energy that is missed is counted, and is no failure: the figures
    are right all the same. An error beyond its bound, or a netlist that is wrong, is one.

    Args:
        facts: From :func:`consilico.reports.consmax.section.consmax_facts`.

    Returns:
        Rows ``targets`` (:func:`judge_targets`), ``together`` (:func:`beyond_together`),
        ``certificates`` (each with ``bound``, ``ulp_bound`` and ``within``), ``widths_within``
        (combinations of widths that keep ``width_bounds``), ``widths_shown`` and ``chosen`` (the
        netlists that area and path are judged on).
    """
    found = facts["implementations"]
    targets = [_decided(row, facts["swept"]) for row in judge_targets(found)]
    certificates = [_within(entry) for entry in facts["certificates"] or ()]
    checks = [
        Check(
            what=f"{NAMES[row['architecture']]}: {row['quantity']}",
            limit=f"at most {row['limit']:g} {row['unit']}",
            measured=_words(row["measured"], row["unit"]),
            met=row["met"],
        )
        for row in targets
    ] + [
        Check(
            what=f"{entry['architecture']}: greatest relative error",
            limit=f"at most {entry['bound']:.2%}",
            measured=f"{entry['max_relative_error']:.3%}",
            met=entry["within"],
            must=True,
        )
        for entry in certificates
        if entry["bound"] is not None
    ]
    gates = [entry["result"]["gate_level"] for entry in found]
    if gates:
        right = all(gate["checked"] > 0 and gate["mismatches"] == 0 for gate in gates)
        checks.append(
            Check(
                what="netlists of the ConSmax units, simulated", limit="no mismatch",
                measured=f"{sum(gate['mismatches'] for gate in gates)} mismatches", met=right,
                must=True,
            )
        )  # fmt: skip
    return Judged(
        checks=checks,
        cards=_cards(targets, certificates, facts["conditions"]),
        rows={
            "targets": targets,
            "together": beyond_together(targets),
            "certificates": certificates,
            "widths_within": sum(row["within_bounds"] for row in facts["widths"] or ()),
            "widths_shown": [
                row for row in facts["widths"] or () if row["chosen"] or row["area_um2"] is not None
            ],
            "width_bounds": "{:.1%} and {:g} ulp".format(*ERROR_LIMITS["consmax/log2"]),
            "chosen": [representative(found, name) for name in ("consmax/split", "consmax/log2")],
        },
    )


def _decided(row: dict[str, Any], swept: Collection[str]) -> dict[str, Any]:
    """Leave a target open that is missed so far, if a netlist for another clock may meet it."""
    waits = row["lanes"] == 1 and row["key"] != "energy_pj" and row["architecture"] not in swept
    return row | {"met": None} if waits and row["met"] is False else row


def _words(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:,.{_DIGITS[unit]}f} {unit}"


def _within(certificate: dict[str, Any]) -> dict[str, Any]:
    """Add the bounds of the architecture, and whether every code of every setting keeps them."""
    bound, ulp_bound = ERROR_LIMITS.get(certificate["architecture"], (None, None))
    within = None
    if bound is not None:
        within = bool(
            certificate["exhaustive"]
            and certificate["max_relative_error"] <= bound
            and (ulp_bound is None or certificate["max_ulp"] <= ulp_bound)
        )
    return certificate | {"bound": bound, "ulp_bound": ulp_bound, "within": within}


def _cards(
    targets: list[dict[str, Any]], certificates: list[dict[str, Any]], where: str
) -> list[Card]:
    cards = []
    bounded = [entry for entry in certificates if entry["bound"] is not None]
    if bounded:
        first = bounded[0]
        cards.append(
            Card(
                label="ConSmax: greatest relative error",
                value=", ".join(
                    f"{entry['max_relative_error']:.2%} {NAMES[entry['architecture']]}"
                    for entry in bounded
                ),
                note=f"all {first['codes']} codes of {first['settings']} settings",
                kind="certified",
                good=all(entry["within"] for entry in bounded),
            )
        )
    for key, label in (
        ("area, one lane", "ConSmax: area of one lane"),
        ("energy a result at 250 MHz", "ConSmax: energy per result at 250 MHz"),
    ):
        rows = [row for row in targets if row["quantity"] == key and row["measured"] is not None]
        if rows:
            paper = {row["paper"] for row in rows if row["paper"] is not None}
            cards.append(
                Card(
                    label=label,
                    value=", ".join(
                        f"{_words(row['measured'], row['unit']).replace('um2', 'µm²')} "
                        f"{NAMES[row['architecture']]}"
                        for row in rows
                    ),
                    note=(
                        "against "
                        + " and ".join(f"{value:,.{_DIGITS[rows[0]['unit']]}f}" for value in paper)
                        + " of the paper's unit built straight, in the same flow. "
                        if paper
                        else ""
                    )
                    + where,
                    good=all(row["met"] for row in rows),
                )
            )
    return cards
