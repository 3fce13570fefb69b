"""Optimizers' arithmetic against what the golden ones run, and decompositions against torch's."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from consilico.sim.accelerator.matrix_products import planned
from consilico.sim.accelerator.update import (
    held_bytes,
    randomised_svd_flops,
    svd_work,
    update_operations,
)
from consilico.sim.base.errors import UserError
from consilico.sim.memory.execution.training_step import LlamaTraining, TrainingSetup
from consilico.sim.memory.llama_family import decoder
from consilico.sim.memory.methods import METHODS
from consilico.sim.memory.step_time import LAZY, svd_flops
from consilico.sim.memory.training_run import TrainingRun

ARCH = decoder(
    name="small", hidden=64, intermediate=96, layers=2, heads=4, kv_heads=2, head_dim=16, vocab=80
)
SCALARS = {  # scalar operations of an element written
    "lerp_": 3, "addcmul_": 3, "mul_": 1, "mul": 1, "div": 1, "sqrt_": 1, "add_": 1,
}  # fmt: skip


MOVES = {
    "view", "t", "mm", "permute", "_to_copy", "detach", "alias", "_record_function_exit",
    "_record_function_enter_new",
}  # fmt: skip
FINITE = {  # tells whether the gradients are: no arithmetic of the update; mul is of bools
    "_foreach_norm", "linalg_vector_norm", "stack", "eq", "ne", "abs", "mul", "_local_scalar_dense",
}  # fmt: skip


class Scalars(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts scalar operations of element-wise operators, and elements of quantized states."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0
        self.coded: Counter[str] = Counter()
        self.others: set[str] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function._schema.name.split("::")[1]
        if name in SCALARS and result.is_floating_point():
            self.count += SCALARS[name] * result.numel()
        elif name == "sub_":  # with alpha a multiplication more
            self.count += 2 * result.numel()
        else:
            self.others.add(name)
        if name == "bucketize":
            self.coded["state quantization"] += result.numel()
        return result


def stepped(method: str) -> tuple[TrainingRun, Scalars]:
    torch.manual_seed(0)
    common: dict[str, Any] = {"sequence": 4, "dtype": "float32"}
    setup = TrainingSetup(method=method, rank=16, group=16, **common)
    training = LlamaTraining(ARCH, setup, "cpu")
    own: dict[str, Any] = {"group": 16} if method == "q-galore" else {}
    rank = 16 if METHODS[method].rank else 0
    run = TrainingRun(model=ARCH, method=method, kernel="reference", rank=rank, **own, **common)
    training.step()
    training.model(training.tokens, training.tokens).loss.backward()
    with Scalars() as seen:
        training.optimizer.step()
    return run, seen


@pytest.mark.parametrize("method", ["adamw", "galore", "lora"])
def test_scalar_operations_are_those_of_the_golden_optimizer(method: str) -> None:
    run, seen = stepped(method)
    assert seen.others <= MOVES | FINITE
    assert update_operations(planned(run)) == {"float operation": seen.count}


def test_8_bit_states_are_coded_once_a_step() -> None:
    run, seen = stepped("galore-8bit")
    operations = update_operations(planned(run))
    # the golden optimizer pads to blocks of 2048, and keeps float32 below 4096 elements
    elements = [
        (int(h.elements(t.dims)), t.count)
        for t in planned(run).tensors
        for h in t.treatment.holdings
        if h.name == "first moment" and h.dtype == "uint8"
    ]
    padded = sum(2 * -(-n // 2048) * 2048 * count for n, count in elements if n >= 4096)
    assert seen.coded["state quantization"] == padded > 0
    assert operations["state quantization"] == sum(2 * n * count for n, count in elements)


def test_q_galore_updates_every_int8_weight_once() -> None:
    plan = planned(TrainingRun(model=ARCH, method="q-galore", rank=16))
    operations = update_operations(plan)
    blocks = ARCH.matrix_parameters
    assert operations["weight update"] == blocks
    assert operations["value quantization"] > blocks
    low = sum(int(t.dims.low) * t.count for t in plan.tensors if t.treatment.svd)
    ends = sum(t.dims.full for t in plan.tensors if t.parameter.role in ("embedding", "head"))
    assert operations["state quantization"] == 2 * (low + ends)


def test_held_bytes_are_those_of_the_ledger() -> None:
    plan = planned(TrainingRun(model=ARCH, method="q-galore", rank=16, group=32))
    ours: Counter[str] = Counter()
    for t in plan.tensors:
        for holding in t.treatment.holdings:
            size, constants = held_bytes(plan, t, holding)
            ours[holding.kind] += int(size - constants) * t.count
            ours["quantization constants"] += int(constants) * t.count
    ledger: Counter[str] = Counter()
    for entry in plan.persistent:
        ledger[entry.kind] += entry.bytes
    assert ours == ledger


@pytest.mark.parametrize(("rows", "columns", "rank"), [(64, 48, 8), (48, 48, 12), (90, 30, 25)])
def test_products_of_a_randomised_svd_are_those_of_torch(
    rows: int, columns: int, rank: int
) -> None:
    width = min(rank + 8, columns)
    with FlopCounterMode(display=False) as counter:
        torch.svd_lowrank(torch.rand(rows, columns), q=width, niter=2)
    whole, products = randomised_svd_flops(rows, columns, rank)
    assert counter.get_total_flops() == products + 2 * rows * width**2
    assert whole > counter.get_total_flops()


def test_a_full_svd_is_spread_over_the_steps_between_two() -> None:
    plan = planned(TrainingRun(model=ARCH, method="galore", rank=16))
    matrices = [t for t in plan.tensors if t.treatment.svd]
    once = sum(svd_flops(t.dims.rows, t.dims.columns) * t.count for t in matrices)
    assert svd_work(plan, "full", 1, 1 << 20).flops == once
    assert svd_work(plan, "full", 50, 1 << 20).flops == pytest.approx(once / 50)
    lazy = planned(TrainingRun(model=ARCH, method="q-galore", rank=16))
    assert svd_work(lazy, "full", 50, 1 << 20).flops == pytest.approx(once / 50 * LAZY)
    assert svd_work(lazy, "full", 50, 1 << 20).decompositions == pytest.approx(14 / 50 * LAZY)


def test_a_trailing_matrix_on_chip_is_not_read_again() -> None:
    plan = planned(TrainingRun(model=ARCH, method="galore", rank=16))
    fits = svd_work(plan, "full", 1, 64 * 64 * 4)
    read_once = sum(2 * t.dims.full * t.count for t in plan.tensors if t.treatment.svd)
    assert fits.read_bytes == read_once
    half = svd_work(plan, "full", 1, 32 * 32 * 4)
    trailing = sum(8 * (t.dims.short**3 - 32**3) / 3 * t.count for t in plan.tensors
                   if t.treatment.svd)  # fmt: skip
    assert half.read_bytes - read_once == pytest.approx(trailing)


def test_randomised_decompositions_are_cheaper() -> None:
    plan = planned(TrainingRun(model=ARCH, method="galore", rank=4))
    full, sketched = (svd_work(plan, kind, 1, 1 << 10) for kind in ("full", "randomised"))
    assert sketched.flops < full.flops
    assert sketched.products_flops < sketched.flops


def test_what_is_no_svd_is_refused() -> None:
    plan = planned(TrainingRun(model=ARCH, method="galore"))
    with pytest.raises(UserError, match="svd must be one of full, randomised, not 'power'"):
        svd_work(plan, "power", 200, 1 << 20)
    with pytest.raises(UserError, match="gap must be a positive number of steps, not 0"):
        svd_work(plan, "full", 0, 1 << 20)
