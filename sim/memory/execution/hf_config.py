"""Find the ``transformers`` configuration of a model: its own ``config.json``, or a built-in's."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.config_fields import read_fields
from consilico.sim.memory.execution.hf_model import configuration
from consilico.sim.memory.presets import (
    built_in_fields,
    config_path,
    find_model,
)
from consilico.sim.memory.training_run import TrainedModel

__all__ = ["ExecutedModel", "executable_model", "hugging_face_config"]


@dataclass(frozen=True, kw_only=True)
class ExecutedModel:
    """A model of a family that only ``transformers`` knows."""

    name: str
    hidden: int
    context: int
    config: Any = field(compare=False, repr=False)  # of transformers
    positions: int = 0
    quantization: str = ""


def executable_model(name: str) -> TrainedModel:
    """Return a model to execute: the ledger's architecture where it knows the family.

    Args:
        name: A built-in name, or the path of a ``config.json`` or of its folder.

    Raises:
        UserError: If there is no such model, or ``transformers`` does not know or accept it.
    """
    try:
        return find_model(name)
    except UserError:
        path = config_path(name)
        fields = read_fields(path)
    config = configuration(fields, str(path))
    text = config.get_text_config()
    layers = getattr(text, "num_hidden_layers", 0)
    if isinstance(layers, int) and layers > _MOST_LAYERS:
        raise UserError(f"{path}: num_hidden_layers must be at most {_MOST_LAYERS:,}, not {layers}")
    return ExecutedModel(
        name=path.absolute().parent.name if path.name == "config.json" else path.stem,
        hidden=_size(path, text, "hidden_size"),
        context=getattr(text, "max_position_embeddings", None) or _UNBOUNDED,
        config=config,
    )


def hugging_face_config(model: TrainedModel) -> Any:
    """Return the ``transformers`` configuration of a model.

    Raises:
        UserError: If ``transformers`` does not know or accept it, or has no model like it.
    """
    if isinstance(model, ExecutedModel):
        return model.config
    assert isinstance(model, Architecture)
    fields = built_in_fields(model.name)
    if fields is not None and find_model(model.name) == model:
        return configuration(_as_config(model, fields), f"model {model.name}")
    return configuration(read_fields(Path(model.source)), model.source)


_UNBOUNDED = 1 << 24
_MOST_LAYERS = 10_000  # each is made


def _size(path: Path, config: Any, name: str) -> int:
    """Return a size that any language model's configuration has."""
    value = getattr(config, name, None)
    if type(value) is not int or value < 1:
        raise UserError(f"{path}: {name} must be a positive integer, not {value!r}")
    return value


def _as_config(model: Architecture, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the ``config.json`` of a built-in model, of the family that its fields are those of.

    Mistral's windows of 4,096 tokens are left out, as later versions of the model left them out.
    """
    common = {
        "vocab_size": fields["vocab"],
        "tie_word_embeddings": fields.get("tied", False),
        "bos_token_id": None, "eos_token_id": None, "pad_token_id": None,
    }  # fmt: skip
    if "model_type" in fields:
        return {k: v for k, v in fields.items() if k not in ("name", "source")}
    if fields.get("post_norm"):
        raise UserError(f"model must be a decoder with engine execute, not {model.name}")
    if fields.get("positions"):
        return common | {
            "model_type": "gpt2", "n_embd": fields["hidden"], "n_layer": fields["layers"],
            "n_head": fields["heads"], "n_inner": fields["intermediate"],
            "n_positions": fields["positions"], "activation_function": fields["activation"],
            "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
        }  # fmt: skip
    family = {"rms-float": "gemma"}.get(fields.get("norm", ""), "llama")
    if fields.get("qkv_bias"):
        family = "qwen2"
    found = common | {
        "model_type": family,
        "hidden_size": fields["hidden"],
        "intermediate_size": fields["intermediate"],
        "num_hidden_layers": fields["layers"],
        "num_attention_heads": fields["heads"],
        "num_key_value_heads": fields.get("kv_heads", fields["heads"]),
        "max_position_embeddings": model.context,
    }
    return found | ({"head_dim": fields["head_dim"]} if "head_dim" in fields else {})
