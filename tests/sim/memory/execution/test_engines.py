"""Ledger and execution agree: families of models, methods and settings (``make verify-full``)."""

import json
from pathlib import Path
from typing import Any

import pytest

from consilico.sim.memory.ledger import ledger
from consilico.sim.memory.presets import find_model, read_config
from consilico.sim.memory.training_run import TrainingRun

pytest.importorskip("transformers", reason="needs the extra hf")

from consilico.sim.memory.execution.execute import execute
from consilico.sim.memory.execution.hf_config import hugging_face_config

pytestmark = pytest.mark.exhaustive

LLAMA = {
    "hidden_size": 512, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 8192, "max_position_embeddings": 2048, "head_dim": 96,
    "pad_token_id": 0,
}  # fmt: skip
EVEN = {name: value for name, value in LLAMA.items() if name != "head_dim"}
MIXED = LLAMA | {
    "num_local_experts": 4, "num_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 320,
}  # fmt: skip
EVENLY_MIXED = {name: value for name, value in MIXED.items() if name != "head_dim"}
GPT = {"n_embd": 512, "n_layer": 4, "n_head": 4, "vocab_size": 8192, "n_positions": 2048}
FAMILIES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        ("llama", "mistral", "qwen3", "gemma", "hunyuan_v1_dense", "arcee", "exaone4"), LLAMA
    ),
    **dict.fromkeys(
        ("qwen2", "smollm3", "granite", "cohere", "cohere2", "olmo2", "stablelm", "starcoder2"),
        EVEN,
    ),
    "gemma3_text": LLAMA | {"num_hidden_layers": 7},
    **dict.fromkeys(
        ("mixtral", "qwen2_moe", "olmoe", "phimoe", "granitemoe", "granitemoeshared"),
        EVENLY_MIXED,
    ),
    **dict.fromkeys(("qwen3_moe", "glm4_moe"), MIXED),
    **dict.fromkeys(("nemotron", "glm", "glm4"), LLAMA),
    **dict.fromkeys(("gptj", "codegen"), GPT | {"rotary_dim": 64}),
    # without dropout, which the ledger does not count
    "gpt2": GPT | {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0},
    **dict.fromkeys(("phi3", "olmo"), EVEN),
}
DIFFER = {
    "gptj": "0.4 %: its rotary embedding of a part of each head",
    "codegen": "0.7 %: as gptj",
}
"""Families for which the ledger is not yet within 0.1 %, by how much and by what."""

SETTINGS: list[Any] = [
    {"checkpointing": "full"},
    {"checkpointing": "selective"},
    {"attention": "eager"},
    {"attention": "masked"},
    {"dtype": "amp"},
    {"dtype": "bfloat16-amp", "checkpointing": "full"},
    {"dtype": "float16", "attention": "eager"},
    {"dtype": "float32"},
    {"logits": "held"},
    {"gradients": "kept"},
    {"accumulation": 4},
    {"per_layer": True},
    *({"kernel": kernel, "batch": 1, "sequence": 128} for kernel in ("loop", "fused")),
    *({"kernel": k, "batch": 1, "sequence": 128} for k in ("bitsandbytes", "bitsandbytes-8bit")),
    {"method": "sgd"},
    {"method": "adamw-8bit"},
    *(
        {"method": method, "kernel": "reference", "rank": rank, "batch": 1, "sequence": 128}
        for method, rank in (("galore", 128), ("galore-8bit", 128), ("q-galore", 128), ("lora", 8))
    ),
    {"method": "q-galore", "kernel": "reference", "per_layer": True, "dtype": "float32"},
    {"method": "lora"},
    {"method": "lora", "checkpointing": "full", "adapters": "float32", "lora_dropout": 0.05},
    {"method": "lora", "lora_dropout": 0.1, "targets": "q,v"},
    {"method": "lora", "targets": "q,v,embed,head"},
    {"method": "lora", "dora": True, "checkpointing": "full"},
    {"method": "lora", "dtype": "amp"},
    {"method": "qlora"},
    {"method": "qlora", "kbit_prepared": True, "checkpointing": "full", "lora_dropout": 0.05},
    pytest.param(
        {"method": "qlora", "base": "nf4", "dtype": "bfloat16-amp", "adapters": "float32"},
        marks=pytest.mark.xfail(
            reason="0.2 %: the ledger lacks autocast's copies of float32 adapters", strict=True
        ),
    ),
]


def agree(run: TrainingRun) -> None:
    executed = execute(run, hugging_face_config(run.model))
    assert ledger(run).peak_bytes == pytest.approx(executed.peak_bytes, rel=1e-3)


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(name, marks=pytest.mark.xfail(reason=DIFFER[name], strict=True))
        if name in DIFFER
        else name
        for name in FAMILIES
    ],
)
def test_families(tmp_path: Path, family: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(FAMILIES[family] | {"model_type": family}))
    agree(TrainingRun(model=read_config(path), batch=2, sequence=512))


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: " ".join(map(str, s.values())))
def test_methods_and_settings(settings: dict[str, Any]) -> None:
    agree(TrainingRun(model=find_model("llama-60m"), **{"batch": 4, "sequence": 512, **settings}))


@pytest.mark.parametrize("model", ["llama-7b", "llama-3.2-1b", "qwen2.5-0.5b", "gemma-7b"])
@pytest.mark.parametrize("method", ["adamw", "lora"])
def test_models_of_full_size(model: str, method: str) -> None:
    agree(TrainingRun(model=find_model(model), method=method, sequence=1024, checkpointing="full"))
