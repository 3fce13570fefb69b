"""Runs that the libraries can do: anything else that is asked for is refused in one line."""

from collections.abc import Mapping
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.memory.reference_methods import REFERENCE_METHODS
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["check_executable"]

_LIBRARY = {
    "adamw": "torch.optim.AdamW",
    "adamw-8bit": "bitsandbytes.optim.AdamW8bit",
    "adafactor": "transformers.optimization.Adafactor",
    "sgd": "torch.optim.SGD",
    "lora": "peft",
    "qlora": "peft and bitsandbytes",
}
"""Methods, and the libraries that run them."""

_ACCEPTED: Mapping[str, tuple[Any, ...]] = {
    "dtype": ("bfloat16", "float16", "float32", "amp", "bfloat16-amp", "float16-amp"),
    "packed": (1,),
    "checkpointing": ("none", "full", "selective"),
    "attention": ("fused", "masked", "eager"),
    "loss": ("eager",),
    "implementation": ("transformers",),
    "published": (False,),
    "offload": ("none",),
    "gpus": (1,),
    "sharding": ("none",),
    "sampled": (0,),
    "paged": (False,),
    "loading": ("direct",),
    "used_base": ("", "nf4", "nf4-double"),
}
"""Values of settings that are run, of those that are not run with all of their values."""


_STATES_BLOCK = 256


def check_executable(run: TrainingRun) -> None:
    """Refuse a run that the installed libraries do not do as it asks.

    Raises:
        UserError: The message names the setting, its value and what is accepted.
    """
    for name, accepted in _ACCEPTED.items():
        value = getattr(run, name)
        if value not in accepted:
            known = " or ".join(_shown(item) for item in accepted if item != "")
            name = name.removeprefix("used_")
            raise UserError(f"{name} must be {known} with engine execute, not {_shown(value)}")
    if run.kernel != "reference" and run.method not in _LIBRARY:
        ours = ", ".join(name for name in REFERENCE_METHODS if name not in _LIBRARY)
        raise UserError(
            f"method must be one of {', '.join(_LIBRARY)} with engine execute, or with kernel"
            f" reference also {ours}; not {run.method}"
        )
    eight = run.method == "adamw-8bit" or run.kernel == "bitsandbytes-8bit"
    if eight and run.kernel != "reference" and run.used_states_block != _STATES_BLOCK:
        raise UserError(
            f"states_block must be {_STATES_BLOCK}, that of bitsandbytes, with engine execute, not"
            f" {run.used_states_block}"
        )


def _shown(value: object) -> str:
    """Format a setting's value for people."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
