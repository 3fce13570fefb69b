"""Every family that is read has as many parameters as Hugging Face's own model of it, by role."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture, Mixture
from consilico.sim.memory.presets import FAMILIES, find_model, read_config

SHARED = Path(__file__).parents[4] / "shared" / "cases" / "configs"
LLAMA = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 128, "max_position_embeddings": 64, "head_dim": 24,
    "pad_token_id": 0,
}  # fmt: skip
EVEN = {name: value for name, value in LLAMA.items() if name != "head_dim"}
MIXED = LLAMA | {
    "num_local_experts": 4, "num_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 40,
}  # fmt: skip
EVENLY_MIXED = {name: value for name, value in MIXED.items() if name != "head_dim"}
DEEPSEEK = EVENLY_MIXED | {
    "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
    "v_head_dim": 12, "n_shared_experts": 2, "first_k_dense_replace": 1, "n_group": 1,
    "topk_group": 1, "num_key_value_heads": 4,
}  # fmt: skip
GPT = {"n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 128, "n_positions": 64}
OPT = {
    "hidden_size": 64, "ffn_dim": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "vocab_size": 128, "max_position_embeddings": 64,
}  # fmt: skip
FALCON = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 128}
BIASED = {"attention_bias": True, "mlp_bias": True}
CASES: dict[str, list[dict[str, Any]]] = {
    "llama": [LLAMA, LLAMA | BIASED | {"tie_word_embeddings": True}],
    "mistral": [LLAMA],
    "ministral": [LLAMA],
    "ministral3": [LLAMA],
    "qwen2": [EVEN],
    "qwen3": [LLAMA, LLAMA | BIASED | {"use_sliding_window": True, "max_window_layers": 2}],
    "gemma": [LLAMA],
    "gemma2": [LLAMA],
    "gemma3_text": [LLAMA | {"num_hidden_layers": 7}],
    "phi3": [EVEN],
    "olmo": [EVEN],
    "olmo2": [EVEN],
    "olmo3": [EVEN],
    "smollm3": [EVEN],
    "granite": [EVEN, EVEN | BIASED],
    "cohere": [EVEN, EVEN | {"use_qk_norm": True}],
    "cohere2": [EVEN],
    "glm": [LLAMA],
    "glm4": [LLAMA],
    "stablelm": [
        EVEN,
        EVEN | {"use_qkv_bias": True, "qk_layernorm": True, "use_parallel_residual": True},
    ],
    "starcoder2": [EVEN],
    "nemotron": [EVEN],
    "arcee": [EVEN],
    "exaone4": [EVEN],
    "ernie4_5": [LLAMA | {"use_bias": True}],
    "helium": [LLAMA | {"head_dim": 16}],
    "hunyuan_v1_dense": [LLAMA],
    "seed_oss": [LLAMA],
    "mixtral": [MIXED],
    "qwen2_moe": [
        EVENLY_MIXED | {"shared_expert_intermediate_size": 48},
        EVENLY_MIXED | {"decoder_sparse_step": 2, "mlp_only_layers": [1]},
    ],
    "qwen3_moe": [MIXED | {"decoder_sparse_step": 2}],
    "olmoe": [EVENLY_MIXED],
    "phimoe": [EVENLY_MIXED | {"attention_bias": True, "lm_head_bias": True}],
    "granitemoe": [EVENLY_MIXED],
    "granitemoeshared": [EVENLY_MIXED | {"shared_intermediate_size": 40}],
    "gpt_oss": [MIXED],
    "deepseek_v2": [DEEPSEEK, DEEPSEEK | {"q_lora_rank": None}],
    "deepseek_v3": [DEEPSEEK, DEEPSEEK | {"q_lora_rank": None, "attention_bias": True}],
    "glm4_moe": [MIXED | {"use_qk_norm": True, "n_shared_experts": 1}],
    "dots1": [MIXED | {"n_shared_experts": 1, "first_k_dense_replace": 1}],
    "minimax_m2": [MIXED],
    "llama4_text": [
        MIXED | {"intermediate_size_mlp": 80, "interleave_moe_layer_step": 2, "head_dim": 16}
    ],
    "gpt2": [GPT],
    "gpt_bigcode": [GPT, GPT | {"multi_query": False}],
    "gptj": [GPT | {"rotary_dim": 8}],
    "codegen": [GPT | {"rotary_dim": 8}],
    "gpt_neo": [
        {
            "hidden_size": 64, "num_layers": 4, "num_heads": 4, "vocab_size": 128,
            "max_position_embeddings": 64, "attention_types": [[["global", "local"], 2]],
        }
    ],
    "gpt_neox": [EVEN, EVEN | {"use_parallel_residual": False}],
    "opt": [OPT, OPT | {"word_embed_proj_dim": 32, "do_layer_norm_before": False}],
    "phi": [EVEN | {"qk_layernorm": norms} for norms in (False, True)],
    "falcon": [
        FALCON,
        FALCON | {"new_decoder_architecture": True, "num_kv_heads": 2},
        FALCON
        | {"new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1},
        FALCON | {"alibi": True, "parallel_attn": False, "multi_query": False, "bias": True},
    ],
    "bloom": [{"hidden_size": 64, "n_layer": 3, "n_head": 4, "vocab_size": 128}],
    "mpt": [{"d_model": 64, "n_layers": 3, "n_heads": 4, "vocab_size": 128, "max_seq_len": 64}],
}  # fmt: skip
LIKE = {  # the language models of vision-language families, which are read as another family is
    "qwen2_vl_text": "qwen2", "qwen2_5_vl_text": "qwen2", "qwen3_vl_text": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
}  # fmt: skip


def role(name: str, dimensions: int) -> str:
    """Say what a parameter of Hugging Face's is for, in the ledger's words."""
    patterns = {
        "bias": r"bias$|sinks$",
        "head": r"lm_head|embed_out",
        "position": r"wpe|embed_positions",
        "norm": r"norm(alization)?(_?\d|_f)?\.|norms?\.\d|(^|\.)ln_",
        "embedding": r"embed|wte|project_(in|out)",
        "router": r"router|\.gate\.weight|shared_expert_gate",
        "expert": r"(?<!shared_)experts\.|block_sparse_moe\.(in|out)put_linear",
        "attention": r"attn|attention",
    }
    for found, pattern in patterns.items():
        if re.search(pattern, name):
            return found
    return "mlp"


def by_role(architecture: Architecture, wide: bool = False) -> Counter[str]:
    """Count parameters by role; only those that are float32 in every model if ``wide``."""
    found: Counter[str] = Counter()
    for parameter in architecture.parameters():
        if parameter.wide or not wide:
            found[parameter.role] += parameter.elements * parameter.count
    return found


def written(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(config, default=str))
    return path


def test_every_family_has_a_case() -> None:
    assert set(FAMILIES) == {*CASES, *LIKE}
    for name, other in LIKE.items():
        assert FAMILIES[name] is FAMILIES[other]


@pytest.mark.parametrize("family", CASES)
def test_parameters_are_those_of_hugging_face_by_role(family: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="needs the extra hf")
    import torch

    for case in CASES[family]:
        config = transformers.AutoConfig.for_model(family, **case)
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        theirs: Counter[str] = Counter()
        wide: Counter[str] = Counter()  # of those, elements that transformers keeps in float32
        for name, parameter in model.named_parameters():
            theirs[role(name, parameter.dim())] += parameter.numel()
            if parameter.dtype == torch.float32:
                wide[role(name, parameter.dim())] += parameter.numel()
        ours = read_config(written(tmp_path, config.to_dict()))
        assert by_role(ours) == theirs, case
        assert by_role(ours, wide=True) == wide, case


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen3_vl", "gemma3", "mistral3", "llava"])
def test_of_a_vision_language_model_the_language_model_is_read(name: str, tmp_path: Path) -> None:
    inner = {"gemma3": "gemma3_text", "mistral3": "mistral", "llava": "llama"}.get(name)
    text = LLAMA | {"model_type": inner or f"{name}_text"}
    path = written(tmp_path, {"model_type": name, "text_config": text, "vision_config": {}})
    found = read_config(path)
    assert found.hidden == 64
    assert found.notes == (
        f"only the language model of {name} is counted: no vision or audio encoder",
    )


def test_sizes_that_a_text_config_leaves_out_are_those_of_transformers(tmp_path: Path) -> None:
    text = {  # as google/gemma-3-4b-pt has it
        "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
        "num_hidden_layers": 34, "sliding_window": 1024,
    }  # fmt: skip
    found = read_config(written(tmp_path, {"model_type": "gemma3", "text_config": text}))
    assert found.parameter_count == 3_880_263_168  # of 4,300,079,472 with its vision tower
    assert [found.block_of(layer).attention.window for layer in range(6)] == [1024] * 5 + [0]


def test_a_flat_configuration_of_a_vision_language_model_is_read(tmp_path: Path) -> None:
    found = read_config(written(tmp_path, EVEN | {"model_type": "qwen2_5_vl"}))
    assert found.notes
    assert by_role(found)["bias"] == 4 * (64 + 2 * 32)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq 4 bits"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes 4 bits"),
        ({"quant_method": "fp8"}, "fp8"),
    ],
)
def test_a_quantization_is_handed_on(asked: dict[str, Any], said: str, tmp_path: Path) -> None:
    config = LLAMA | {"model_type": "llama", "quantization_config": asked}
    assert read_config(written(tmp_path, config)).quantization == said


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (MIXED | {"model_type": "mixtral", "num_experts_per_tok": 5},
         "num_experts_per_tok must be at most 4 experts, not 5"),
        (LLAMA | {"model_type": "gemma2", "layer_types": ["linear"] * 4, "sliding_window": 8},
         "layer_types must be of full_attention, sliding_attention, chunked_attention, not 'lin"),
        (LLAMA | {"model_type": "gemma2", "layer_types": [], "sliding_window": 8},
         "layer_types must be a list of 4 values"),
        (MIXED | {"model_type": "qwen3_moe", "mlp_only_layers": ["one"]},
         "mlp_only_layers must be a list of layers' numbers"),
        (GPT | {"model_type": "gptj", "n_head": 5}, "n_head must divide the hidden size 64, not 5"),
        ({"model_type": "llava", "text_config": {"model_type": "mamba"}},
         "text_config.model_type must be one of"),
        ({"model_type": "llava", "text_config": {"model_type": "qwen2"}},
         "text_config.intermediate_size is missing"),
        ({"model_type": "llava", "text_config": 3}, "text_config must be an object, not 3"),
        (LLAMA | {"model_type": "llama", "attention_bias": 1},
         "attention_bias must be true or false"),
        (LLAMA | {"model_type": "gemma2", "final_logit_softcapping": "30"},
         "final_logit_softcapping must be a number"),
        (LLAMA | {"model_type": "gemma2", "final_logit_softcapping": float("nan")},
         "final_logit_softcapping must be a number"),
        (LLAMA | {"model_type": "llama", "quantization_config": {"quant_method": 4}},
         "quantization_config.quant_method must be a string"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_in_one_line(
    config: dict[str, Any], named: str, tmp_path: Path
) -> None:
    path = written(tmp_path, config)
    with pytest.raises(UserError, match=named.replace(".", r"\.")) as error:
        read_config(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/cases/configs")
def test_the_shared_configurations_have_the_parameters_they_state() -> None:
    stated = {path: json.loads(path.read_text())["_parameters"] for path in SHARED.glob("*.json")}
    found = {path: read_config(path).parameter_count for path, count in stated.items() if count}
    assert found == {path: count for path, count in stated.items() if count}
    assert len(found) >= 8


# as their repositories state (safetensors' metadata), less buffers and the heads of other tasks
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("qwen3-0.6b", 596_049_920),
        ("qwen3-8b", 8_190_735_360),
        ("qwen3-30b-a3b", 30_532_122_624),
        ("gemma-2-9b", 9_241_705_984),
        ("gemma-3-1b", 999_885_952),
        ("phi-4", 14_659_507_200),
        ("mixtral-8x7b", 46_702_792_704),
        ("smollm3-3b", 3_075_098_624),
        ("deepseek-v3", 671_026_419_200 - 58 * 256),  # biases of the choice are buffers
        ("gpt-oss-20b", 20_914_757_184),
        ("pythia-6.9b", 6_857_302_016),
        ("opt-6.7b", 6_658_473_984),
        ("falcon-7b", 6_921_720_704),
    ],
)
def test_built_in_models_of_these_families_too(name: str, parameters: int) -> None:
    assert find_model(name).parameter_count == parameters


def test_layers_differ_where_a_family_says_so() -> None:
    deepseek = find_model("deepseek-v3")
    mixed = [isinstance(deepseek.block_of(n).mlp, Mixture) for n in range(deepseek.layers)]
    assert mixed == [False] * 3 + [True] * 58
    smol = find_model("smollm3-3b")
    turned = [bool(smol.block_of(n).attention.rotary) for n in range(smol.layers)]
    assert turned == [True, True, True, False] * 9
