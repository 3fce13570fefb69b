"""The products of a step are those that torch's own FLOP counter sees, forward and backward."""

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from consilico.sim.accelerator.matrix_products import matrix_products, planned
from consilico.sim.base.errors import UserError
from consilico.sim.memory.execution.training_step import LlamaTraining, TrainingSetup
from consilico.sim.memory.llama_family import decoder
from consilico.sim.memory.methods import METHODS
from consilico.sim.memory.training_run import TrainingRun
from consilico.sim.workload.products import MatrixProduct

SHAPES = {
    "heads": decoder(
        name="heads", hidden=32, intermediate=48, layers=2, heads=4, kv_heads=4, head_dim=8,
        vocab=100,
    ),
    "grouped": decoder(
        name="grouped", hidden=24, intermediate=56, layers=3, heads=6, kv_heads=2, head_dim=4,
        vocab=50,
    ),
    "tied": decoder(
        name="tied", hidden=16, intermediate=40, layers=1, heads=4, kv_heads=1, head_dim=8,
        vocab=60, tied=True,
    ),
}  # fmt: skip
FUSED = {  # torch's own formulas of fused attention, not registered for the CPU's kernel
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v)  # type: ignore[no-untyped-call]
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda grad, q, k, v, *_, **__: sdpa_backward_flop_count(grad, q, k, v)  # type: ignore[no-untyped-call]
    ),
}


def flops(found: Iterable[MatrixProduct], *phases: str) -> int:
    return sum(p.flops for p in found if p.phase in phases)


def counted(training: LlamaTraining, work: Any) -> int:
    with FlopCounterMode(display=False, custom_mapping=FUSED) as counter:
        work()
    return int(counter.get_total_flops())


def build(
    shape: str, method: str, checkpointing: str, attention: str
) -> tuple[TrainingRun, LlamaTraining]:
    torch.manual_seed(0)
    dtype = "float32"
    common: dict[str, Any] = {
        "batch": 2, "sequence": 5, "rank": 4, "checkpointing": checkpointing,
        "attention": attention, "dtype": dtype,
    }  # fmt: skip
    setup = TrainingSetup(method=method, group=16, **common)
    asked = common if METHODS[method].rank else {**common, "rank": 0}
    if method == "q-galore":
        asked = {**asked, "group": 16}
    run = TrainingRun(model=SHAPES[shape], method=method, kernel="reference", **asked)
    return run, LlamaTraining(SHAPES[shape], setup, "cpu")


@pytest.mark.parametrize(
    ("shape", "method", "checkpointing", "attention"),
    [
        *itertools.product(
            ("heads", "grouped"),
            ("adamw", "lora"),
            ("none", "full", "selective"),
            ("eager", "fused"),
        ),
        ("tied", "adamw", "none", "eager"),
        ("tied", "adamw", "full", "fused"),
        *itertools.product(("grouped",), ("q-galore",), ("none", "full"), ("eager",)),
    ],
)
def test_flops_forward_and_backward_are_those_of_torch(
    shape: str, method: str, checkpointing: str, attention: str
) -> None:
    run, training = build(shape, method, checkpointing, attention)
    found = matrix_products(planned(run))
    outputs: list[Any] = []
    forward = counted(
        training, lambda: outputs.append(training.model(training.tokens, training.tokens))
    )
    backward = counted(training, lambda: outputs[0].loss.backward())
    assert forward == flops(found, "forward") > 0
    assert backward == flops(found, "backward", "recompute") > 0


def test_a_projection_s_flops_are_those_of_torch() -> None:
    run, training = build("grouped", "q-galore", "none", "eager")
    training.model(training.tokens, training.tokens).loss.backward()
    training.optimizer.step()  # makes the subspaces; the next does not renew them
    training.model(training.tokens, training.tokens).loss.backward()
    seen = counted(training, training.optimizer.step)
    assert seen == flops(matrix_products(planned(run)), "projection") > 0


def test_the_comparison_sees_a_missing_product() -> None:
    run, training = build("heads", "adamw", "none", "eager")
    found = [p for p in matrix_products(planned(run)) if p.name != "up"]
    seen = counted(training, lambda: training.model(training.tokens, training.tokens))
    assert seen != flops(found, "forward")


def test_operands_have_the_bytes_that_torch_reads_and_writes() -> None:
    run, training = build("grouped", "adamw", "none", "eager")
    outputs: list[Any] = []
    with _Products() as forward:
        outputs.append(training.model(training.tokens, training.tokens))
    with _Products() as backward:
        outputs[0].loss.backward()
    found = matrix_products(planned(run))
    assert forward.elements == _elements(found, "forward")
    assert backward.elements == _elements(found, "backward")


class _Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operands and results of matrix products: (elements in, elements out): how often."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elements: Counter[tuple[int, int]] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket
        if name is torch.ops.aten.mm:
            self.elements[args[0].numel() + args[1].numel(), result.numel()] += 1
        elif name is torch.ops.aten.bmm:
            batch = len(result)
            shape = ((args[0].numel() + args[1].numel()) // batch, result.numel() // batch)
            self.elements[shape] += batch
        return result


def _elements(found: Iterable[MatrixProduct], phase: str) -> Counter[tuple[int, int]]:
    elements: Counter[tuple[int, int]] = Counter()
    for p in found:
        if p.phase == phase:
            a, b, c = p.elements
            elements[a + b, c] += p.count
    return elements


def test_accumulation_multiplies_all_but_the_projection() -> None:
    once = TrainingRun(model=SHAPES["heads"], method="galore", rank=4)
    twice = TrainingRun(model=SHAPES["heads"], method="galore", rank=4, accumulation=2)
    first, second = matrix_products(planned(once)), matrix_products(planned(twice))
    for phases in (("forward",), ("backward",)):
        assert flops(second, *phases) == 2 * flops(first, *phases)
    assert flops(second, "projection") == flops(first, "projection")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"method": "sltrain"}, "method must be one of .*q-galore, not 'sltrain'"),
        ({"gpus": 2}, "gpus must be 1"),
        ({"offload": "both"}, "offload must be none"),
        ({"loss": "fused"}, "loss must be eager or compiled"),
    ],
)
def test_what_is_not_counted_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        planned(TrainingRun(model=SHAPES["heads"], **fields))
