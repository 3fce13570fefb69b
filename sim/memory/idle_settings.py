"""Settings that do nothing for a method are refused: whoever gives one expects an effect."""

from consilico.sim.memory.holdings import RUN_GROUP, STATES
from consilico.sim.memory.methods import TrainingMethod

__all__ = ["idle_settings"]

_ADAPTERS = ("targets", "adapters", "lora_dropout", "dora")
_BASE = ("base", "kbit_prepared", "kbit_cast", "loading")
_STEP = (
    *("accumulation", "gradients", "lora_dropout", "dora", "checkpointing", "per_layer"),
    *("loss", "logits", "offload", "sampled"),
)


def idle_settings(method: TrainingMethod, kernel: str) -> dict[str, str]:
    """Return the settings that do nothing for a method, and of each why, as a clause.

    Args:
        method: The method as a run has it.
        kernel: The run's setting, as bitsandbytes has states of its own.
    """
    holdings = [h for part in method.parts for h in part.holdings]
    eight = kernel == "bitsandbytes-8bit" or any(
        h.dtype == "uint8" and h.kind == STATES for h in holdings
    )
    idle: dict[str, str] = {}
    if not method.rank:
        idle["rank"] = "which has none"
    if not any(h.group == RUN_GROUP for h in holdings):
        idle["group"] = "whose weights are not quantized in such groups"
    if not method.adapters:
        idle |= dict.fromkeys(_ADAPTERS, "which has no adapters")
    if not method.frozen_base:
        idle |= dict.fromkeys(_BASE, "whose matrices do not stay frozen")
    if method.name != "adafactor":
        idle["first_moment"] = "which is not Adafactor"
    if not eight:
        idle["states_block"] = "which has no 8-bit states"
    if not (eight or kernel == "bitsandbytes"):
        idle["paged"] = "whose states are not those of bitsandbytes (see kernel)"
    if not any(h.kind == STATES for h in holdings):
        idle["kernel"] = "which has no optimizer states"
    if method.forward_only:
        idle |= dict.fromkeys(_STEP, "which has no backward pass")
    return idle
