"""What PyTorch's FSDP holds of frozen blocks, on which the ledger's account of such runs stands."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils.checkpoint import checkpoint

from consilico.sim.memory.activations import Activations
from consilico.sim.memory.execution.memory_tracker import MemoryTracker
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.tensor_plan import TensorPlan
from consilico.sim.memory.training_run import TrainingRun

BLOCKS, HIDDEN, TOKENS = 6, 32, 512
X = 4 * HIDDEN * TOKENS  # bytes of a hidden state


@pytest.fixture
def two_gpus() -> Iterator[None]:
    """Make this process the first of two, of which the other is never asked."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    yield
    dist.destroy_process_group()


class Block(nn.Module):
    """A frozen layer with an adapter of its own FSDP unit, as peft's wrapping policy makes it."""

    def __init__(self, *, frozen: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(HIDDEN, HIDDEN, bias=False).requires_grad_(not frozen)
        self.adapter: nn.Module = nn.Linear(HIDDEN, HIDDEN, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layer(x) + self.adapter(x)
        return result


class Model(nn.Module):
    """Blocks with a checkpoint around each, outside of FSDP: transformers before version 5."""

    def __init__(self, blocks: list[nn.Module], *, reentrant: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=self.reentrant)
        return x


def held(*, reentrant: bool, sharded: bool, frozen: bool = True) -> list[float]:
    """Return the hidden states that live when each block begins to run again, the last first."""
    blocks: list[nn.Module] = []
    for _ in range(BLOCKS):
        block = Block(frozen=frozen)
        if sharded:
            block.adapter = FSDP(block.adapter, device_id=torch.device("cpu"))
        blocks.append(FSDP(block, device_id=torch.device("cpu")) if sharded else block)
    model: nn.Module = Model(blocks, reentrant=reentrant)
    if sharded:
        model = FSDP(model, device_id=torch.device("cpu"))
    found: list[float] = []
    with MemoryTracker() as tracker:
        x = torch.randn(TOKENS, HIDDEN, requires_grad=True)
        result = model(x)
        for each in blocks:
            each.register_forward_pre_hook(lambda *_: found.append(tracker.current_bytes / X))
        result.sum().backward()
    return found


def growth(found: list[float]) -> float:
    """Return the hidden states that live more for each block that is done."""
    return (found[-1] - found[1]) / (len(found) - 2)


def test_without_fsdp_a_block_that_is_done_gives_its_input_back() -> None:
    found = held(reentrant=True, sharded=False)
    assert growth(found) == pytest.approx(-1, abs=0.1)


@pytest.mark.usefixtures("two_gpus")
def test_fsdp_keeps_inputs_and_gradients_of_frozen_blocks_with_reentrant_checkpoints() -> None:
    found = held(reentrant=True, sharded=True)
    assert growth(found) == pytest.approx(1, abs=0.1)  # not the input back, and a gradient more


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("other", [{"reentrant": False}, {"reentrant": True, "frozen": False}])
def test_fsdp_keeps_them_only_there(other: dict[str, bool]) -> None:
    found = held(sharded=True, **other)
    assert growth(found) == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize(
    ("changes", "more"),
    [({}, 1), ({"checkpointing": "full"}, -1), ({"sharding": "zero3"}, -1)],
)
def test_the_ledger_counts_them(changes: dict[str, str], more: int) -> None:
    settings: dict[str, Any] = {"checkpointing": "reentrant", "sharding": "fsdp", **changes}
    run = TrainingRun(model=find_model("llama-7b"), method="lora", gpus=2, **settings)
    act = Activations(TensorPlan(run))
    layers = run.architecture.layers

    def size(block: int) -> Any:
        return act.kept(block).bytes + act.finished(layers - 1 - block).bytes

    assert (size(4) - size(5)) / act.x == more
