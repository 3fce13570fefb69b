"""Element-wise operators are those that a dispatcher sees: elements read, written, by kind."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from consilico.sim.accelerator.elementwise import operators, passes
from consilico.sim.accelerator.matrix_products import planned
from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.execution.training_step import LlamaTraining, TrainingSetup
from consilico.sim.memory.llama_family import decoder
from consilico.sim.memory.methods import METHODS
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.training_run import TrainingRun

KINDS = {
    "aten.add.Tensor": "add",
    "aten.mul.Tensor": "mul",
    "aten.mul.Scalar": "mul",
    "aten.neg.default": "neg",
    "aten.div.Scalar": "div",
    "aten.pow.Tensor_Scalar": "pow",
    "aten.rsqrt.default": "rsqrt",
    "aten.mean.dim": "sum",
    "aten.sum.dim_IntList": "sum",
    "aten._softmax.default": "softmax",
    "aten._softmax_backward_data.default": "softmax backward",
    "aten.silu.default": "silu",
    "aten.silu_backward.default": "silu backward",
    "aten._log_softmax.default": "log-softmax",
    "aten._log_softmax_backward_data.default": "log-softmax backward",
    "aten.nll_loss_backward.default": "nll backward",
    "aten.embedding_dense_backward.default": "embedding backward",
}
MOVES = {  # of data, views, constants made once: no arithmetic on activations
    "view", "_unsafe_view", "t", "transpose", "expand", "unsqueeze", "squeeze", "slice", "detach",
    "clone", "cat", "slice_backward", "mm", "bmm", "embedding", "arange", "_to_copy", "div", "pow",
    "cos", "sin", "ge", "zeros", "scalar_tensor", "where", "constant_pad_nd", "ones_like",
    "nll_loss_forward",
}  # fmt: skip
GROUPED = decoder(
    name="grouped", hidden=24, intermediate=56, layers=3, heads=6, kv_heads=2, head_dim=4, vocab=50
)
HEADS = decoder(
    name="heads", hidden=32, intermediate=48, layers=2, heads=4, kv_heads=4, head_dim=8, vocab=100
)


class Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Elements that operators read and write, by kind, and what has no kind."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reads: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.others: set[str] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        kind = KINDS.get(str(function))
        inputs = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        if kind is None or all(x.dim() == 2 and x.shape[0] == 1 for x in inputs):
            self.others.add(str(function).split(".")[1])
            return result
        self.reads[kind] += sum(x.numel() for x in inputs)
        self.writes[kind] += result.numel()
        return result


@pytest.mark.parametrize("arch", [GROUPED, HEADS], ids=lambda a: a.name)
@pytest.mark.parametrize("method", ["adamw", "lora"])
@pytest.mark.parametrize("checkpointing", ["none", "full"])
def test_elements_are_those_that_the_dispatcher_sees(
    arch: Architecture, method: str, checkpointing: str
) -> None:
    torch.manual_seed(0)
    common: dict[str, Any] = {
        "batch": 2, "sequence": 5, "rank": 4, "attention": "eager", "dtype": "float32",
        "checkpointing": checkpointing,
    }  # fmt: skip
    training = LlamaTraining(arch, TrainingSetup(method=method, **common), "cpu")
    ranked = common if METHODS[method].rank else {**common, "rank": 0}
    found = operators(planned(TrainingRun(model=arch, method=method, **ranked)))
    with Seen() as forward:
        loss = training.model(training.tokens, training.tokens).loss
    with Seen() as backward:
        loss.backward()
    for phases, seen in ((("forward",), forward), (("backward", "recompute"), backward)):
        assert seen.others <= MOVES
        own = [o for o in found if o.phase in phases and o.kind != "nll"]
        reads, writes = Counter[str](), Counter[str]()
        for operator in own:
            reads[operator.kind] += operator.reads
            writes[operator.kind] += operator.writes
        assert seen.reads == reads
        assert seen.writes == writes


def test_the_comparison_sees_an_operator_too_few() -> None:
    arch = HEADS
    training = LlamaTraining(
        arch, TrainingSetup(method="adamw", sequence=5, dtype="float32"), "cpu"
    )
    with Seen() as seen:
        training.model.blocks[0].mlp_norm(torch.ones(1, 5, arch.hidden))  # type: ignore[operator]
        torch.ones(1, 5, arch.hidden).pow(2)
    assert seen.writes["pow"] == 2 * 5 * arch.hidden


def test_what_is_not_like_llama_is_refused() -> None:
    for name, words in (
        ("gpt2", "gated in the MLP of gpt2 must be True"),
        ("qwen2.5-0.5b", "bias in the attention of qwen2"),
    ):
        with pytest.raises(UserError, match=words):
            passes(planned(TrainingRun(model=find_model(name))))


def test_a_fused_pass_moves_less_than_its_operators() -> None:
    plan = planned(TrainingRun(model=GROUPED, sequence=7, attention="eager"))
    for phase in ("forward", "backward"):
        fused = [p for p in passes(plan) if p.phase == phase]
        eager = [o for o in operators(plan) if o.phase == phase]
        assert sum(p.reads for p in fused) < sum(o.reads for o in eager)
        assert sum(p.writes for p in fused) < sum(o.writes for o in eager)


def test_recomputation_leaves_out_the_last_residual() -> None:
    run = TrainingRun(model=GROUPED, sequence=7, checkpointing="full")
    found = passes(planned(run))
    first = [p for p in found if p.phase == "forward" and p.name == "residuals"]
    again = [p for p in found if p.phase == "recompute" and p.name == "residuals"]
    assert 2 * again[0].writes == first[0].writes
