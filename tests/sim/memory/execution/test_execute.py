"""Hugging Face models on fake tensors: what they hold, and that the ledger says the same."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.ledger import ledger
from consilico.sim.memory.presets import read_config
from consilico.sim.memory.training_run import TrainingRun

pytest.importorskip("transformers", reason="needs the extra hf")

from consilico.sim.memory.execution.accepted import check_executable
from consilico.sim.memory.execution.execute import execute
from consilico.sim.memory.execution.hf_config import (
    ExecutedModel,
    executable_model,
    hugging_face_config,
)
from consilico.sim.memory.execution.hf_model import real_masks
from consilico.sim.memory.execution.hf_step import HuggingFaceTraining
from consilico.sim.memory.execution.memory_tracker import MemoryTracker

LLAMA = {
    "model_type": "llama", "hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 4096,
}  # fmt: skip


@pytest.fixture
def llama(tmp_path: Path) -> Architecture:
    path = tmp_path / "tiny" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(LLAMA))
    return read_config(path)


def executed(run: TrainingRun) -> Any:
    return execute(run, hugging_face_config(run.model))


@pytest.mark.parametrize(
    "settings",
    [
        {"sequence": 512},
        {"sequence": 64, "kernel": "loop"},
        {"sequence": 512, "accumulation": 4},
        {"sequence": 512, "checkpointing": "full", "dtype": "amp"},
        {"sequence": 512, "checkpointing": "selective", "logits": "held"},
        {"sequence": 256, "per_layer": True, "kernel": "fused"},
        {"method": "lora", "rank": 8, "sequence": 512, "checkpointing": "full"},
        {"method": "sgd", "sequence": 512},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_ledger_and_execution_agree(llama: Architecture, settings: dict[str, Any]) -> None:
    run = TrainingRun(model=llama, batch=2, **settings)
    assert ledger(run).peak_bytes == pytest.approx(executed(run).peak_bytes, rel=1e-3)


def test_what_lives_at_the_peak_adds_up_to_it(llama: Architecture) -> None:
    found = executed(TrainingRun(model=llama, batch=2))
    assert sum(line.bytes for line in found.lines if line.live) == found.peak_bytes
    assert found.parameters == llama.parameter_count
    assert found.basis.startswith("executed: transformers ")
    kinds = {line.kind: line.bytes for line in found.lines if line.live}
    assert {"weights", "optimizer states", "activations: gradients of results"} <= set(kinds)


def test_the_parts_of_a_step_are_those_of_the_ledger(llama: Architecture) -> None:
    found = executed(TrainingRun(model=llama, batch=2))
    places = [f"block {n} of 3" for n in (1, 2, 3)]
    assert [part.part for part in found.parts] == [
        "forward", *(f"forward, {place}" for place in places), "loss", "loss, backward",
        *(f"backward, {place}" for place in reversed(places)), "backward",
        "update, all parameters",
    ]  # fmt: skip
    assert all(sum(part.kinds.values()) == part.bytes for part in found.parts)
    assert max(part.bytes for part in found.parts) == found.peak_bytes


def test_states_made_by_an_update_alone_are_those_of_a_first_step(llama: Architecture) -> None:
    run = TrainingRun(model=llama, kernel="loop")
    peaks = []
    for first in (HuggingFaceTraining.make_states, HuggingFaceTraining.step):
        with MemoryTracker() as tracker, real_masks():
            training = HuggingFaceTraining(run, hugging_face_config(llama), "cpu", tracker)
            first(training)
            tracker.restart()
            training.step()
        peaks.append(tracker.peak_bytes)
    assert peaks[0] == peaks[1]


def test_a_family_that_the_ledger_does_not_know_runs(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps(
            {
                "model_type": "mamba2", "hidden_size": 64, "num_hidden_layers": 2, "head_dim": 16,
                "num_heads": 8, "state_size": 16, "n_groups": 2, "vocab_size": 512,
                "chunk_size": 32,
            }
        )
    )  # fmt: skip
    model = executable_model(str(path))
    assert isinstance(model, ExecutedModel)
    run = TrainingRun(model=model, sequence=64)
    assert executed(run).peak_bytes > executed(run).persistent_bytes
    with pytest.raises(UserError, match="is of a family that the ledger does not know"):
        ledger(run)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"dtype": "mixed"},
            "dtype must be bfloat16 or .* with engine execute, not mixed",
        ),
        ({"loss": "fused"}, "loss must be eager with engine execute, not fused"),
        ({"gpus": 2}, "gpus must be 1 with engine execute, not 2"),
        ({"offload": "both"}, "offload must be none with engine execute, not both"),
        ({"method": "galore"}, "method must be one of adamw, .* reference also galore"),
        ({"method": "lomo"}, "method must be one of adamw, .* not lomo"),
    ],
    ids=str,
)
def test_what_the_libraries_do_not_run_is_refused(
    llama: Architecture, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        check_executable(TrainingRun(model=llama, **settings))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt9"}, "model_type must be one that transformers .* not 'gpt9'"),
        ({"model_type": "vit"}, "model_type must be that of a causal language model, not 'vit'"),
        ({"hidden_size": "wide"}, "transformers does not accept it: .*hidden_size"),
        ({"num_attention_heads": 5}, "cannot be made|does not accept it"),
    ],
    ids=str,
)
def test_a_configuration_that_transformers_refuses_is_named(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA | changes))
    with pytest.raises(UserError, match=message) as error:
        executed(TrainingRun(model=executable_model(str(path))))
    assert "\n" not in str(error.value)


def test_a_fake_tensor_does_not_stay_in_the_libraries(llama: Architecture) -> None:
    executed(TrainingRun(model=llama, method="lora", rank=4))
    assert torch.randn(2).sum().item() == pytest.approx(0.0, abs=100)  # a real number again


MIXTURE = LLAMA | {
    "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 32, "num_key_value_heads": 4,
}  # fmt: skip


def mixture(tmp_path: Path, kind: str) -> Architecture:
    path = tmp_path / "mixture" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(MIXTURE | {"model_type": kind}))
    return read_config(path)


@pytest.mark.parametrize(
    "settings",
    [
        {"dtype": "float16", "method": "sgd"},
        {"dtype": "amp", "method": "sgd"},
        {
            "method": "qlora", "rank": 4, "kbit_prepared": True, "dtype": "bfloat16-amp",
            "adapters": "float32",
        },
    ],
    ids=["float16", "amp", "prepared, which makes experts float32"],
)  # fmt: skip
def test_experts_run_in_other_types_than_bfloat16(settings: dict[str, Any], tmp_path: Path) -> None:
    run = TrainingRun(model=mixture(tmp_path, "mixtral"), batch=2, sequence=512, **settings)
    # in a model as small as this, indices of tokens count
    assert ledger(run).peak_bytes == pytest.approx(executed(run).peak_bytes, rel=3e-3)


def test_an_adapter_that_a_library_fails_on_is_said_in_a_line(tmp_path: Path) -> None:
    run = TrainingRun(model=mixture(tmp_path, "phimoe"), method="lora", rank=4)
    with pytest.raises(
        UserError, match=r"AttributeError in model\.layers\.\*\.mlp\.router"
    ) as found:
        executed(run)
    assert "\n" not in str(found.value)
    assert "--targets attention" in str(found.value)
    targeted = TrainingRun(model=run.model, method="lora", rank=4, targets="attention")
    assert executed(targeted).peak_bytes > 0
