"""Ledger and execution agree: methods, settings and full size (``make verify-full``).

Families of models are in ``test_families_agree.py``.
"""

from typing import Any

import pytest

from consilico.sim.memory.ledger import ledger
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.training_run import TrainingRun

pytest.importorskip("transformers", reason="needs the extra hf")

from consilico.sim.memory.execution.execute import execute
from consilico.sim.memory.execution.hf_config import hugging_face_config

pytestmark = pytest.mark.exhaustive

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
    {"method": "qlora", "base": "nf4", "dtype": "bfloat16-amp", "adapters": "float32"},
]


def agree(run: TrainingRun) -> None:
    executed = execute(run, hugging_face_config(run.model))
    assert ledger(run).peak_bytes == pytest.approx(executed.peak_bytes, rel=1e-3)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: " ".join(map(str, s.values())))
def test_methods_and_settings(settings: dict[str, Any]) -> None:
    agree(TrainingRun(model=find_model("llama-60m"), **{"batch": 4, "sequence": 512, **settings}))


@pytest.mark.parametrize("model", ["llama-7b", "llama-3.2-1b", "qwen2.5-0.5b", "gemma-7b"])
@pytest.mark.parametrize("method", ["adamw", "lora"])
def test_models_of_full_size(model: str, method: str) -> None:
    agree(TrainingRun(model=find_model(model), method=method, sequence=1024, checkpointing="full"))
