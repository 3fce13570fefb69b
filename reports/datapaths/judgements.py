"""Targets of the low-bit units, and how the measurements compare with them."""

from typing import Any

from consilico.reports.page.section import Check, Judged

__all__ = ["datapath_targets", "judge_datapaths"]


def datapath_targets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Targets of the low-bit units.

    Returns:
        ``quantity``, ``limit``, ``at_most`` (or at least), ``measured`` (None where a part was
        not measured) and ``met``.
    """

    def row(unit: str, **settings: Any) -> dict[str, Any]:
        matching = (
            row for row in rows if row["unit"] == unit and settings.items() <= row["config"].items()
        )
        return next(matching, {})

    int8 = row("matmul/dot", x="int8", w="int8").get("energy_pj", {}).get("model")
    rates = row("matmul/fused_dot").get("operations_a_cycle", {})
    plain = row("matmul/dot", x="int8", w="int4").get("area_um2")
    return [
        _judged("energy of an INT8 MAC in a 16-lane dot, real traffic, 500 MHz, pJ", 0.35, int8),
        _judged(
            "throughput per area of fused_dot, INT4 to INT8",
            3.0,
            _ratio(rates.get("model/int4"), rates.get("model")),
            at_most=False,
        ),
        _judged(
            "area of group_dot, group 128, to the plain INT4 dot",
            1.15,
            _ratio(row("matmul/group_dot", group=128).get("area_um2"), plain),
        ),
    ]


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base is not None else None


def _judged(
    quantity: str, limit: float, measured: float | None, *, at_most: bool = True
) -> dict[str, Any]:
    met = None if measured is None else measured <= limit if at_most else measured >= limit
    return {
        "quantity": quantity,
        "limit": limit,
        "at_most": at_most,
        "measured": measured,
        "met": met,
    }


def judge_datapaths(facts: dict[str, Any]) -> Judged:
    """Judge the targets; one that is missed is counted, and is no failure.

    Args:
        facts: From :mod:`consilico.reports.datapaths.section`.

    Returns:
        Rows: of :func:`datapath_targets`.
    """
    rows = datapath_targets(facts["rows"])
    checks = [
        Check(
            what=row["quantity"],
            limit=f"{'at most' if row['at_most'] else 'at least'} {row['limit']:g}",
            measured="not measured" if row["measured"] is None else f"{row['measured']:.3f}",
            met=row["met"],
        )
        for row in rows
    ]
    return Judged(checks=checks, rows=rows)
