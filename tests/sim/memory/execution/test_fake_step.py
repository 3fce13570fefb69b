"""Peaks tracked on fake tensors: the same as on real ones, and as hand-counted."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from consilico.sim.memory.execution import fake_table
from consilico.sim.memory.execution.fake_step import TrackedStep, track, track_fake
from consilico.sim.memory.execution.training_step import (
    LlamaTraining,
    TrainingSetup,
)
from consilico.sim.memory.llama_family import decoder

ARCH = decoder(
    name="tiny",
    hidden=64,
    intermediate=96,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=16,
    vocab=256,
)
# no grouped heads, and large enough for 8-bit states
WIDE = decoder(name="wide", hidden=128, intermediate=200, layers=1, heads=4, vocab=256)


def setup(method: str, **options: Any) -> TrainingSetup:
    return TrainingSetup(
        **{"method": method, "dtype": "float32", "batch": 2, "sequence": 16, "rank": 32, **options}
    )


def without_time(step: TrackedStep) -> TrackedStep:
    return replace(step, seconds=0.0)


@pytest.mark.parametrize("per_layer", [False, True], ids=["at_once", "per_layer"])
@pytest.mark.parametrize("method", ["adamw", "lora", "galore", "q-galore"])
def test_fake_tensors_have_the_peak_of_real_ones(method: str, per_layer: bool) -> None:
    plan = setup(method, per_layer=per_layer)
    assert without_time(track_fake(WIDE, plan)) == without_time(track(WIDE, plan))


@pytest.mark.parametrize("checkpointing", ["full", "selective"])
@pytest.mark.parametrize("attention", ["fused", "eager"])
def test_also_in_bfloat16_and_with_checkpoints(attention: str, checkpointing: str) -> None:
    plan = setup("adamw", dtype="bfloat16", attention=attention, checkpointing=checkpointing)
    assert without_time(track_fake(ARCH, plan)) == without_time(track(ARCH, plan))


def test_integer_weights_of_a_bfloat16_model() -> None:
    plan = setup("q-galore", dtype="bfloat16")
    assert without_time(track_fake(WIDE, plan)) == without_time(track(WIDE, plan))


def allocated_peak(plan: TrainingSetup) -> int:
    """What torch's CPU allocator itself reports as the most during a second step."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        training = LlamaTraining(WIDE, plan, "cpu")
        training.step()
        with torch.profiler.record_function("second"):
            training.step()
    kineto = record.profiler
    assert kineto is not None
    events = list(kineto.kineto_results.events())
    (second,) = (event for event in events if event.name() == "second")
    memory = sorted(
        ((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"),
        key=lambda change: change[0],
    )
    current = peak = 0
    for time_ns, change in memory:
        current += change
        if second.start_ns() <= time_ns <= second.start_ns() + second.duration_ns():
            peak = max(peak, current)
    return peak


@pytest.mark.parametrize(("method", "per_layer"), [("adamw", False), ("q-galore", True)])
def test_the_peak_is_that_of_the_allocator(method: str, per_layer: bool) -> None:
    plan = setup(method, per_layer=per_layer)
    tracked = track_fake(WIDE, plan)
    # scalars that a kernel makes for itself are not seen
    assert tracked.peak_bytes == pytest.approx(allocated_peak(plan), abs=256)


def test_adamw_holds_two_states_and_three_temporaries_of_the_largest_gradient() -> None:
    step = track_fake(ARCH, setup("adamw", sequence=1))
    parameters, largest = 4 * ARCH.parameter_count, 4 * 256 * 64
    tokens = 8 * 2
    assert step.persistent_bytes == 3 * parameters + tokens
    assert step.peak_phase == "update"
    assert step.peak_bytes == 4 * parameters + 3 * largest + tokens
    assert step.categories["gradients"] == parameters
    assert step.categories["states"] == 2 * parameters


def test_an_update_per_layer_never_holds_all_gradients() -> None:
    at_once = track_fake(ARCH, setup("adamw"))
    per_layer = track_fake(ARCH, setup("adamw", per_layer=True))
    assert per_layer.persistent_bytes == at_once.persistent_bytes
    assert per_layer.categories["gradients"] < at_once.categories["gradients"] / 2


def test_torch_itself_needs_a_temporary_of_all_weights_with_foreach() -> None:
    loop = track_fake(ARCH, setup("adamw-torch-loop", sequence=1))
    foreach = track_fake(ARCH, setup("adamw-torch-foreach", sequence=1))
    assert foreach.persistent_bytes == loop.persistent_bytes
    assert foreach.phases["update"] - loop.phases["update"] > 2 * ARCH.parameter_count


def test_full_checkpointing_lowers_the_peak_of_the_forward_pass() -> None:
    plain = track_fake(ARCH, setup("adamw", batch=8, sequence=64))
    saved = track_fake(ARCH, setup("adamw", batch=8, sequence=64, checkpointing="full"))
    assert saved.phases["forward"] < plain.phases["forward"]


def test_only_low_rank_methods_renew_and_that_takes_more() -> None:
    assert track_fake(ARCH, setup("adamw")).peak_renewal_bytes is None
    galore = track_fake(WIDE, setup("galore", sequence=1, batch=1))
    assert galore.peak_renewal_bytes is not None
    assert galore.peak_renewal_bytes >= galore.peak_bytes


def test_the_command_prints_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "llama-20m", "--method", "lora", "--rank", "8", "--sequence", "32"]
    assert fake_table.main(arguments) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    step = json.loads(printed)
    assert step["peak_bytes"] == sum(step["categories"].values()) > step["persistent_bytes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--method", "lora", "--model", "qwen3-8b"],
            "norm in the attention of qwen3-8b must be none",
        ),
        (["--method", "lora", "--rank", "0"], "rank must be an integer in [1, 1048576], not 0"),
        (["--method", "lora", "--steps", "1"], "steps must be at least 2"),
        (
            ["--method", "lora", "--model", "gpt2"],
            "gated in the MLP of gpt2 must be True as in LLaMA",
        ),
        (["--method", "lora", "--model", "gpt9"], "unknown model 'gpt9'"),
    ],
)
def test_what_cannot_be_tracked_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fake_table.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_torch_has_no_update_per_layer() -> None:
    with pytest.raises(ValueError, match="per_layer must be false with adamw-torch-loop"):
        TrainingSetup(method="adamw-torch-loop", per_layer=True)
