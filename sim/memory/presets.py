"""Built-in architectures, and those of a Hugging Face ``config.json``."""

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.config_fields import ConfigFields, shown
from consilico.sim.memory.families import LLAMA_LIKE, Reader
from consilico.sim.memory.families_gpt import GPT_LIKE
from consilico.sim.memory.families_mixture import MIXTURES
from consilico.sim.memory.llama_family import decoder

__all__ = ["FAMILIES", "built_in_fields", "config_path", "find_model", "model_names",
           "read_config"]  # fmt: skip

FAMILIES: dict[str, Reader] = {**LLAMA_LIKE, **MIXTURES, **GPT_LIKE}
"""What reads the configuration of a family, by its ``model_type``."""

_FLAT = {  # vision-language models whose configuration may have the text's fields at its top
    "qwen2_vl": "qwen2_vl_text",
    "qwen2_5_vl": "qwen2_5_vl_text",
}
_TEXT_DEFAULTS: dict[str, dict[str, Any]] = {
    # sizes that vision-language models leave out of their text_config, as in transformers
    "llama": {
        "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "vocab_size": 32000,
    },
    "mistral": {
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "vocab_size": 32000,
    },
    "gemma3_text": {
        "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
        "num_attention_heads": 8, "vocab_size": 262208, "sliding_window": 4096,
        "max_position_embeddings": 131072,
    },
}  # fmt: skip


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
    return read_config(config_path(name))


def built_in_fields(name: str) -> dict[str, Any] | None:
    """Return the fields of a built-in model as ``models.toml`` has them; None if there is none."""
    return _built_in().get(name.lower())


def config_path(name: str) -> Path:
    """Return the path of the ``config.json`` that a model's name is, or whose folder it is.

    Raises:
        UserError: If the name is no path.
    """
    if not name.strip():
        raise UserError(f"model must be a config.json, or one of {', '.join(model_names())}")
    path = Path(name)
    if path.is_dir():
        path = path / "config.json"
    if path.suffix == ".json" or path.exists():
        return path
    raise UserError(
        f"unknown model {name!r}; accepted: a config.json, or one of {', '.join(model_names())}"
    )


def read_config(path: Path) -> Architecture:
    """Return the architecture that a Hugging Face ``config.json`` describes.

    Of a vision-language model it is that of the language model; a note says so.

    Raises:
        UserError: If the file cannot be read, is no JSON object, lacks a field, gives one twice or
            contradicts itself; the message names file and field.
    """
    whole = ConfigFields.read(path)
    family, fields, notes = _language_model(whole)
    try:
        found = FAMILIES[family](fields)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    name = whole.value("_name_or_path")
    if not isinstance(name, str) or not name:
        name = path.absolute().parent.name if path.name == "config.json" else path.stem
    quantization = _quantization(whole if "quantization_config" in whole else fields)
    return replace(
        found, name=name, source=str(path), notes=(*found.notes, *notes), quantization=quantization
    )


def _language_model(whole: ConfigFields) -> tuple[str, ConfigFields, tuple[str, ...]]:
    """Return the family of the language model, its fields, and notes on what is left out.

    Raises:
        UserError: If it is of no known family.
    """
    family = whole.value("model_type")
    if isinstance(family, str) and family in FAMILIES:
        return family, whole, ()
    note = f"only the language model of {family} is counted: no vision or audio encoder"
    if isinstance(family, str) and family in _FLAT and "text_config" not in whole:
        return _FLAT[family], whole, (note,)
    if "text_config" in whole:
        inner = whole.part("text_config").value("model_type")
        if isinstance(inner, str) and inner in FAMILIES:
            defaults = dict(_TEXT_DEFAULTS.get(inner, {}))
            if "tie_word_embeddings" in whole:
                defaults["tie_word_embeddings"] = whole.flag("tie_word_embeddings")
            return inner, whole.part("text_config", defaults), (note,)
        raise UserError(
            f"{whole.path}: text_config.model_type must be one of {_known()}, not {shown(inner)}"
        )
    raise UserError(f"{whole.path}: model_type must be one of {_known()}, not {shown(family)}")


def _known() -> str:
    return ", ".join(sorted(FAMILIES))


def _quantization(c: ConfigFields) -> str:
    """Return how a configuration says that weights are quantized, such as ``gptq 4 bits``."""
    if "quantization_config" not in c:
        return ""
    own = c.part("quantization_config")
    method = own.text("quant_method", default="unknown")
    bits = own.integer("bits", "w_bit", default=0, least=0)
    four, eight = own.flag("load_in_4bit"), own.flag("load_in_8bit")
    if four and eight:
        raise own.error("load_in_8bit", "must be false with load_in_4bit")
    if not bits and (four or eight):
        bits = 4 if four else 8
    more = ", scales too" if own.flag("bnb_4bit_use_double_quant") else ""
    group = own.value("group_size")
    if method in ("gptq", "awq") and group not in (None, _GROUP):
        more = f" in groups of {shown(group)}"
    return f"{method} {bits} bits{more}" if bits else method


_GROUP = 128  # inputs that share the constants of a GPTQ or AWQ file, as bases.py counts them


def _make(fields: dict[str, Any], where: str) -> Architecture:
    """Make a built-in architecture: of our fields, or of a configuration's with a model_type."""
    try:
        if "model_type" not in fields:
            return decoder(**fields)
        found = FAMILIES[fields["model_type"]](ConfigFields(Path(where), fields))
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
    return replace(found, name=fields["name"], source=fields["source"])
