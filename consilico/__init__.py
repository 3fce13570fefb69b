"""Consilico: what a language-model operator costs on silicon, and whether it is still right.

The functions below are the public interface; docs/python.md shows them at work, and the command
line is built on them. Importing this package loads nothing heavy::

    import consilico

    config = consilico.configure("consmax/log2", lanes=4)
    verdict = consilico.verify("consmax/log2", config)
    cost = consilico.implement("consmax/log2", config, pdk="nangate45", clock_ns=2.0)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from consilico.api import (
    accelerator,
    accuracy,
    buffer,
    buffers,
    chip,
    claims,
    compare,
    configure,
    estimate,
    estimate_rtl,
    explore,
    generate,
    implement,
    implement_rtl,
    kits,
    memory,
    memory_sweep,
    mutate,
    mutate_rtl,
    power,
    propose_mapping,
    prove,
    prove_rtl,
    report,
    scale,
    sweep,
    sweep_rtl,
    system,
    training_hw,
    training_run,
    unit,
    units,
    verify,
    verify_rtl,
)
from consilico.extras import MissingExtra
from consilico.sim.base.errors import CheckFailed, ToolError, UserError

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.accelerator.accelerator import Accelerator
    from consilico.sim.accelerator.step_cost import StepCost
    from consilico.sim.accuracy.facts import Accuracy
    from consilico.sim.base.progress import Progress
    from consilico.sim.claims.check import CheckedClaim
    from consilico.sim.comparison.facts import Comparison
    from consilico.sim.estimate.memories.cost import BufferCost, BufferCosts
    from consilico.sim.estimate.nodes.prediction import ScaledFigures
    from consilico.sim.explore.exploration import Exploration
    from consilico.sim.memory.answer import MemoryAnswer
    from consilico.sim.memory.sweep import MemorySweep
    from consilico.sim.memory.training_run import TrainingRun
    from consilico.sim.rtlsim.mutation.score import MutationScore
    from consilico.sim.rtlsim.proofs.prove import Proofs
    from consilico.sim.rtlsim.verify import Verification
    from consilico.sim.silicon.implementation import Implementation
    from consilico.sim.silicon.kits.kit import Kit
    from consilico.sim.silicon.power.clock_tree import ClockTreeOptions
    from consilico.sim.silicon.power.report import PowerReport
    from consilico.sim.silicon.sweep import ClockSweep
    from consilico.sim.system.answer import SystemAnswer
    from consilico.sim.system.chip import Chip
    from consilico.sim.units.stimulus import Stimulus
    from consilico.sim.units.unit import Unit

__version__ = "0.1.0"  # the only place: packaging reads it from here

_TYPES = {  # imported when first asked for: what a caller names in annotations, or makes
    "Accelerator": "sim.accelerator.accelerator",
    "Accuracy": "sim.accuracy.facts",
    "BufferCost": "sim.estimate.memories.cost",
    "BufferCosts": "sim.estimate.memories.cost",
    "CheckedClaim": "sim.claims.check",
    "Chip": "sim.system.chip",
    "ClockSweep": "sim.silicon.sweep",
    "ClockTreeOptions": "sim.silicon.power.clock_tree",
    "Comparison": "sim.comparison.facts",
    "Config": "golden.config",
    "Exploration": "sim.explore.exploration",
    "Implementation": "sim.silicon.implementation",
    "Kit": "sim.silicon.kits.kit",
    "MemoryAnswer": "sim.memory.answer",
    "MemorySweep": "sim.memory.sweep",
    "MutationScore": "sim.rtlsim.mutation.score",
    "PowerReport": "sim.silicon.power.report",
    "Progress": "sim.base.progress",
    "Proofs": "sim.rtlsim.proofs.prove",
    "ScaledFigures": "sim.estimate.nodes.prediction",
    "StepCost": "sim.accelerator.step_cost",
    "Stimulus": "sim.units.stimulus",
    "SystemAnswer": "sim.system.answer",
    "TrainingRun": "sim.memory.training_run",
    "Unit": "sim.units.unit",
    "Verification": "sim.rtlsim.verify",
}

__all__ = [
    "Accelerator",
    "Accuracy",
    "BufferCost",
    "BufferCosts",
    "CheckFailed",
    "CheckedClaim",
    "Chip",
    "ClockSweep",
    "ClockTreeOptions",
    "Comparison",
    "Config",
    "Exploration",
    "Implementation",
    "Kit",
    "MemoryAnswer",
    "MemorySweep",
    "MissingExtra",
    "MutationScore",
    "PowerReport",
    "Progress",
    "Proofs",
    "ScaledFigures",
    "StepCost",
    "Stimulus",
    "SystemAnswer",
    "ToolError",
    "TrainingRun",
    "Unit",
    "UserError",
    "Verification",
    "__version__",
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


if not TYPE_CHECKING:  # a type checker knows the names from above, and should miss all others

    def __getattr__(name: str) -> Any:
        """Import a type when it is first asked for: most of them bring NumPy along."""
        if name not in _TYPES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f"{__name__}.{_TYPES[name]}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
