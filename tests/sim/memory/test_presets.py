"""Built-in architectures, and those read from configurations as people have them."""

import json
from pathlib import Path
from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.memory.answer import answer
from consilico.sim.memory.architecture import Mlp
from consilico.sim.memory.llama_family import llama_parts
from consilico.sim.memory.presets import find_model, model_names, read_config
from consilico.sim.memory.training_run import TrainingRun

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
}


# counts of the published checkpoints (safetensors' metadata on Hugging Face)
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("llama-7b", 6_738_415_616),
        ("llama-2-13b", 13_015_864_320),
        ("llama-2-70b", 68_976_648_192),
        ("llama-3.1-8b", 8_030_261_248),
        ("llama-3.2-1b", 1_235_814_400),
        ("llama-3.2-3b", 3_212_749_824),
        ("mistral-7b", 7_241_732_096),
        ("qwen2.5-1.5b", 1_543_714_304),
        ("gemma-7b", 8_537_680_896),
        ("gpt2", 124_439_808),
    ],
)
def test_built_in_models_have_as_many_parameters_as_their_checkpoints(
    name: str, parameters: int
) -> None:
    assert find_model(name).parameter_count == parameters


def test_every_name_of_the_command_line_is_there() -> None:
    sizes = ("20m", "60m", "130m", "350m", "1b", "3b", "7b", "13b", "30b", "65b")
    assert {f"llama-{size}" for size in sizes} <= set(model_names())
    for name in model_names():
        assert find_model(name).source


def written(folder: Path, config: Any) -> Path:
    path = folder / "config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return path


def test_a_config_gives_what_it_says_and_the_family_the_rest(tmp_path: Path) -> None:
    found = read_config(written(tmp_path, LLAMA | {"num_key_value_heads": 2}))
    attention, _ = llama_parts(found)
    assert (found.hidden, attention.head_dim, attention.key, found.tied) == (64, 16, 32, False)
    block = 2 * 64 * 64 + 2 * 32 * 64 + 3 * 160 * 64 + 2 * 64
    assert found.parameter_count == 2 * block + 2 * 100 * 64 + 64
    assert find_model(str(tmp_path)).parameter_count == found.parameter_count  # the folder


def test_gpt2_names_its_fields_in_its_own_way(tmp_path: Path) -> None:
    config = {
        "model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257,
        "n_positions": 1024,
    }  # fmt: skip
    assert read_config(written(tmp_path, config)).parameter_count == 124_439_808


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({k: v for k, v in LLAMA.items() if k != "hidden_size"}, "hidden_size is missing"),
        (LLAMA | {"num_attention_heads": 5}, "num_attention_heads must divide the hidden size 64"),
        (LLAMA | {"num_key_value_heads": 3}, "num_key_value_heads must divide num_attention_heads"),
        (LLAMA | {"num_hidden_layers": -2}, "num_hidden_layers must be a positive integer"),
        (LLAMA | {"vocab_size": "100"}, "vocab_size must be a positive integer, not '100'"),
        (LLAMA | {"model_type": "mamba"}, "model_type must be one of"),
        ([], "must be a JSON object"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON: .*recursion"),
        ('{"a":' * 100_000, "not JSON: .*recursion"),
        (f'{{"hidden_size": 1{"0" * 5000}}}', "not JSON: "),
        ('{"model_type": "llama", "model_type": "gpt2"}', "'model_type' is given twice"),
        (
            LLAMA | {"vocab_size": 10**300},
            r"vocab_size must be at most 1,000,000,000, not 10*\.\.\.",
        ),
        (LLAMA | {"vocab_size": float("inf")}, "vocab_size must be a positive integer, not inf"),
        (LLAMA | {"vocab_size": True}, "vocab_size must be a positive integer, not True"),
        (LLAMA | {"model_type": ["x" * 1000]}, r"not \['x{75}\.\.\."),
        (LLAMA | {"num_hidden_layers": 10**8}, "num_hidden_layers must be at most 10,000, not 10"),
        (LLAMA | {"hidden_act": "sillu"}, "hidden_act must be one of gelu, .*swish .*not 'sillu'"),
        (LLAMA | {"partial_rotary_factor": 5}, "partial_rotary_factor must be from 0 to 1, not 5"),
        (LLAMA | {"partial_rotary_factor": -1}, "partial_rotary_factor must be from 0 to 1"),
        (
            LLAMA | {"quantization_config": {"load_in_4bit": True, "load_in_8bit": True}},
            "quantization_config.load_in_8bit must be false with load_in_4bit",
        ),
    ],
)
def test_a_config_that_describes_no_model_is_named(tmp_path: Path, config: Any, named: str) -> None:
    path = written(tmp_path, config)
    with pytest.raises(UserError, match=named) as error:
        read_config(path)
    assert str(path) in str(error.value)


def test_an_activation_is_that_of_the_configuration(tmp_path: Path) -> None:
    config = {
        "model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100,
        "n_positions": 64, "activation_function": "relu",
    }  # fmt: skip
    mlp = read_config(written(tmp_path, config)).block.mlp
    assert isinstance(mlp, Mlp)
    assert mlp.activation == "relu"


def test_groups_that_are_not_counted_so_are_said(tmp_path: Path) -> None:
    said = {}
    for group in (128, 32):
        quantized = {"quant_method": "gptq", "bits": 4, "group_size": group}
        model = read_config(written(tmp_path, LLAMA | {"quantization_config": quantized}))
        run = TrainingRun(model=model, method="lora", rank=4)
        said[group] = run.used_base, [n for n in answer(run).notes if "quantization_config" in n]
    assert said[128] == ("gptq4", [])
    base, (note,) = said[32]
    assert not base
    assert "gptq 4 bits in groups of 32 (quantization_config), which is not counted" in note


def test_unknown_models_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown model 'llama-8b'; accepted: a config\.json"):
        find_model("llama-8b")
    with pytest.raises(UserError, match="No such file"):
        find_model(str(tmp_path / "config.json"))


@pytest.mark.parametrize(
    ("file", "name"), [("llama-tiny/config.json", "llama-tiny"), ("mine/tiny.json", "tiny")]
)
def test_a_model_is_named_after_its_file_or_folder(tmp_path: Path, file: str, name: str) -> None:
    path = tmp_path / file
    path.parent.mkdir()
    path.write_text(json.dumps(LLAMA))
    assert find_model(str(path)).name == name
