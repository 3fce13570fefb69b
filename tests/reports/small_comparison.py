"""Facts of the report on comparisons, without measuring anything: every target is met."""

from consilico.reports.comparison.facts import ComparisonFacts
from consilico.sim.comparison.table import MeasuredRows, measured_comparison
from tests.sim.comparison.small_table import small_row

__all__ = ["small_comparison"]


def small_comparison(*, energy: float = 1.0) -> ComparisonFacts:
    """Return facts of both ConSmax units and four others.

    Args:
        energy: Of a score in ``consmax/log2``, pJ.
    """
    table = MeasuredRows().added(
        [
            small_row("consmax/log2", None, logic=100.0, energy=energy),
            small_row("consmax/base2", None, logic=40.0, energy=0.3),
            small_row("base2_scores", None, logic=50.0, energy=0.5),
            small_row("online_softmax", None, logic=200.0, energy=2.0),
            *(
                small_row(name, "latch", logic=800.0, more=400.0, energy=5.0)
                for name in ("ita", "softermax", "softmax")
            ),
        ]
    )
    names = ("softmax", "softermax", "softermax+base2_scores", "ita", "online_softmax")
    found = [
        measured_comparison((first, *names), table=table)
        for first in ("consmax/log2", "consmax/base2")
    ]
    return ComparisonFacts(
        comparisons=tuple(each for each in found if each is not None),
        dates=("2026-01-02",),
        other_verilog=(),
    )
