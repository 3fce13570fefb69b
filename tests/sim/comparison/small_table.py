"""A table of comparisons without measuring anything: two units, logic alone and with latches."""

from consilico.sim.base.interval import exactly
from consilico.sim.comparison.facts import Compared, Conditions, PartAreas
from consilico.sim.comparison.table import MeasuredRow, MeasuredRows

__all__ = ["small_row", "small_rows"]

UNDER = Conditions(
    pdk="nangate45", corner="typical", voltage_v=1.1, clock_ns=4.0, traffic="normal",
    rung="layout", sram=None,
)  # fmt: skip


def small_row(
    unit: str, buffer: str | None, *, logic: float, more: float = 0.0, energy: float = 1.0
) -> MeasuredRow:
    """Return a row: rows of 256 scores, one lane; a unit with a buffer takes 261 cycles."""
    cycles = 256.0 if buffer is None else 261.0
    found = Compared(
        unit=unit,
        lanes=1,
        row=256,
        buffer=buffer,
        config={},
        area_um2=PartAreas(logic=logic, buffer=exactly(more) if more else None),
        path_ns=1.5,
        meets_clock=True,
        energy_pj_score=exactly(energy),
        energy_pj_row=exactly(256 * energy),
        leakage_pj_cycle=0.1,
        cycles_row=cycles,
        latency_cycles=3,
        scores_per_s_mm2=1e12,
        error=None,
        verilog_sha256="ab" * 32,
    )
    return MeasuredRow(conditions=UNDER, found=found, date="2026-01-02")


def small_rows() -> MeasuredRows:
    """Return a table of ``consmax/log2``, ``base2_scores`` and ``softermax``."""
    return MeasuredRows().added(
        [
            small_row("consmax/log2", None, logic=100.0),
            small_row("base2_scores", None, logic=50.0, energy=0.5),
            small_row("softermax", "none", logic=1000.0, energy=4.0),
            small_row("softermax", "latch", logic=1000.0, more=500.0, energy=6.0),
        ]
    )
