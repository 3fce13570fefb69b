"""Built-in architectures, and those of a Hugging Face ``config.json``."""

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input_text
from consilico.sim.memory.architecture import Architecture, decoder

__all__ = ["find_model", "model_names", "read_config"]

_MOST = 1_000_000_000  # of any size or count of a model
_MOST_BYTES = 4 << 20  # a model configuration has a few kB
_FAMILIES: dict[str, dict[str, Any]] = {  # with the defaults of Hugging Face's configurations
    "llama": {},
    "mistral": {"kv_heads": 8},
    "qwen2": {"qkv_bias": True, "kv_heads": 32},
    "gemma": {"tied": True, "activation": "gelu", "norm": "rms-float", "head_dim": 256},
    "gpt2": {
        "tied": True,
        "gated": False,
        "activation": "gelu_new",
        "norm": "layer",
        "qkv_bias": True,
        "output_bias": True,
        "mlp_bias": True,
    },
}
_NAMES = {  # ours: that of most configurations, that of GPT-2's
    "hidden": ("hidden_size", "n_embd"),
    "layers": ("num_hidden_layers", "n_layer"),
    "heads": ("num_attention_heads", "n_head"),
    "vocab": ("vocab_size", "vocab_size"),
}


@cache
def _built_in() -> dict[str, dict[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("models.toml").read_text())


def model_names() -> list[str]:
    """Return the names of the built-in architectures."""
    return list(_built_in())


@cache
def find_model(name: str) -> Architecture:
    """Return a built-in architecture by name, or that of a ``config.json`` by path.

    Nothing is downloaded.

    Raises:
        UserError: If there is neither, or the file does not describe a model.
    """
    fields = _built_in().get(name.lower())
    if fields is not None:
        return _make({"name": name.lower(), **fields}, f"model {name}")
    if not name.strip():
        raise UserError(f"model must be a config.json, or one of {', '.join(model_names())}")
    path = Path(name)
    if path.is_dir():
        path = path / "config.json"
    if path.suffix == ".json" or path.exists():
        return read_config(path)
    raise UserError(
        f"unknown model {name!r}; accepted: a config.json, or one of {', '.join(model_names())}"
    )


def read_config(path: Path) -> Architecture:
    """Return the architecture that a Hugging Face ``config.json`` describes.

    Raises:
        UserError: If the file cannot be read, is no JSON object, lacks a field, gives one twice or
            contradicts itself; the message names file and field.
    """
    try:
        text = read_input_text(path, "model configuration", limit_bytes=_MOST_BYTES)
        config = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{path}: must be a JSON object, not {type(config).__name__}")
    family = config.get("model_type")
    if not isinstance(family, str) or family not in _FAMILIES:
        raise UserError(
            f"{path}: model_type must be one of {', '.join(_FAMILIES)}, not {_shown(family)}"
        )
    if config.get("num_local_experts") or config.get("num_experts"):
        raise UserError(f"{path}: num_local_experts must be absent: mixtures are not counted")
    gpt2 = family == "gpt2"
    fields = dict(_FAMILIES[family])
    for ours, names in _NAMES.items():
        fields[ours] = _integer(path, config, names[gpt2])
    if gpt2:
        fields["positions"] = fields["context"] = _integer(path, config, "n_positions")
        given = config.get("n_inner") is not None
        fields["intermediate"] = (
            _integer(path, config, "n_inner") if given else 4 * fields["hidden"]
        )
    else:
        fields["intermediate"] = _integer(path, config, "intermediate_size")
        for ours, theirs in (("kv_heads", "num_key_value_heads"), ("head_dim", "head_dim")):
            if config.get(theirs) is not None:
                fields[ours] = _integer(path, config, theirs)
        if _flag(path, config, "attention_bias", False):
            fields["qkv_bias"] = fields["output_bias"] = True
        fields["mlp_bias"] = _flag(path, config, "mlp_bias", False)
        groups = fields.get("kv_heads", fields["heads"])
        if fields["heads"] % groups:
            raise UserError(
                f"{path}: num_key_value_heads must divide num_attention_heads"
                f" ({fields['heads']}), not {groups}"
            )
        for longest in ("max_position_embeddings", "max_sequence_length"):
            if config.get(longest) is not None:
                fields["context"] = _integer(path, config, longest)
                break
    fields["tied"] = _flag(path, config, "tie_word_embeddings", fields.get("tied", False))
    name = config.get("_name_or_path")
    if not isinstance(name, str) or not name:
        name = path.absolute().parent.name if path.name == "config.json" else path.stem
    return _make({"name": name, "source": str(path), **fields}, str(path))


def _flag(path: Path, config: dict[str, Any], name: str, default: bool) -> bool:
    """Return a field that must be true or false."""
    value = config.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise UserError(f"{path}: {name} must be true or false, not {_shown(value)}")
    return value


def _integer(path: Path, config: dict[str, Any], name: str) -> int:
    """Return a field that must be a positive integer of a size that some model may have."""
    if name not in config:
        raise UserError(f"{path}: {name} is missing")
    value = config[name]
    if type(value) is not int or value < 1:
        raise UserError(f"{path}: {name} must be a positive integer, not {_shown(value)}")
    if value > _MOST:
        raise UserError(f"{path}: {name} must be at most {_MOST:,}, not {_shown(value)}")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, in which no field may be given twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{_shown(twice)} is given twice; accepted: once")
    return found


def _shown(value: object) -> str:
    """Format a value for error messages, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _make(fields: dict[str, Any], where: str) -> Architecture:
    """Make an architecture of flat fields."""
    try:
        return decoder(**fields)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
