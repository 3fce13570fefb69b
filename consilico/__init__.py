"""Consilico: what a language-model operator costs on silicon, and whether it is still right.

The functions below are the public interface; docs/python.md shows them at work, and the command
line is built on them. Importing this package loads nothing heavy::

    import consilico

    config = consilico.configure("consmax/log2", lanes=4)
    verdict = consilico.verify("consmax/log2", config)
    cost = consilico.implement("consmax/log2", config, pdk="nangate45", clock_ns=2.0)
"""

from consilico.api import (
    accelerator,
    buffer,
    buffers,
    configure,
    estimate,
    estimate_rtl,
    generate,
    implement,
    kits,
    memory,
    memory_sweep,
    power,
    report,
    scale,
    sweep,
    sweep_rtl,
    training_hw,
    training_run,
    unit,
    units,
    verify,
)
from consilico.extras import MissingExtra
from consilico.sim.base.errors import CheckFailed, ToolError, UserError

__version__ = "0.1.0"  # the only place: packaging reads it from here

__all__ = [
    "CheckFailed",
    "MissingExtra",
    "ToolError",
    "UserError",
    "__version__",
    "accelerator",
    "buffer",
    "buffers",
    "configure",
    "estimate",
    "estimate_rtl",
    "generate",
    "implement",
    "kits",
    "memory",
    "memory_sweep",
    "power",
    "report",
    "scale",
    "sweep",
    "sweep_rtl",
    "training_hw",
    "training_run",
    "unit",
    "units",
    "verify",
]
