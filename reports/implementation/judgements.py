"""Whether each netlist is right: its results, and the proof that it does what its RTL says."""

from dataclasses import dataclass

from consilico.reports.implementation.facts import ImplementationFacts, Implemented
from consilico.reports.page.section import Check, Judged

__all__ = ["Row", "judge_implementation"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """An implementation with what is derived from it and judged of it."""

    it: Implemented
    measured: bool
    right: bool | None  # every result of the netlist compared, and none differs
    kept_pct: float | None = None  # area with module boundaries kept, relative to the flat one
    purpose_pct: tuple[float, ...] = ()
    proof: str = ""  # PROVED, DIFFERENT or not proved


_PROOF_WORDS = {"equivalent": "PROVED", "different": "DIFFERENT"}


def judge_implementation(facts: ImplementationFacts) -> Judged:
    """Judge every netlist; one that is wrong fails the report.

    Returns:
        Rows: a :class:`Row` for each implementation.
    """
    rows = [_row(it) for it in facts.rows]
    checks = [
        Check(
            what=f"netlist of {row.it.unit} in {row.it.kit}",
            limit="no mismatch with the golden model",
            measured=row.it.failure
            or f"{row.it.results_compared:,} results compared, {row.it.mismatches:,} mismatches",
            met=row.right,
            must=True,
        )
        for row in rows
        if row.measured or row.it.failure
    ]
    return Judged(checks=checks, rows=rows)


def _row(it: Implemented) -> Row:
    if it.area_um2 is None:
        return Row(it=it, measured=False, right=False if it.failure else None)
    whole = it.modules_kept_um2
    return Row(
        it=it,
        measured=True,
        right=it.mismatches == 0 and it.results_compared > 0 and it.proof != "different",
        kept_pct=100 * (whole / it.area_um2 - 1),
        purpose_pct=tuple(100 * area / whole for area in it.purpose_um2.values()),
        proof=_PROOF_WORDS.get(it.proof, "not proved"),
    )
