"""The public interface: what the commands do, as functions, one call per step.

Each function takes names or the objects behind them, and returns a typed result; the command of
the same name prints that result. :mod:`consilico` re-exports the names that a caller needs. A
function imports what it needs when it is called, so that importing this package loads nothing
heavy.

All functions raise :class:`~consilico.sim.base.errors.UserError`, with a message of one line, for
an argument that is not accepted, and :class:`~consilico.extras.MissingExtra` for a part that is
not installed. A failing external tool raises :class:`~consilico.sim.base.errors.ToolError`.
"""

from consilico.api.accuracy import accuracy
from consilico.api.catalogue import configure, generate, mutate, prove, report, unit, units, verify
from consilico.api.claims import claims
from consilico.api.comparisons import compare
from consilico.api.designs import implement_rtl, mutate_rtl, propose_mapping, prove_rtl, verify_rtl
from consilico.api.estimates import buffer, buffers, estimate, estimate_rtl, scale
from consilico.api.silicon import implement, kits, power, sweep, sweep_rtl
from consilico.api.system import chip, explore, system
from consilico.api.training import accelerator, memory, memory_sweep, training_hw, training_run

__all__ = [
    "accelerator",
    "accuracy",
    "buffer",
    "buffers",
    "chip",
    "claims",
    "compare",
    "configure",
    "estimate",
    "estimate_rtl",
    "explore",
    "generate",
    "implement",
    "implement_rtl",
    "kits",
    "memory",
    "memory_sweep",
    "mutate",
    "mutate_rtl",
    "power",
    "propose_mapping",
    "prove",
    "prove_rtl",
    "report",
    "scale",
    "sweep",
    "sweep_rtl",
    "system",
    "training_hw",
    "training_run",
    "unit",
    "units",
    "verify",
    "verify_rtl",
]
