"""Operations of CPU tensors that are those of a GPU: what they save for the backward pass."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from consilico.sim.memory.execution.gpu_kernels import GpuKernels


def saved(program: Callable[[], Tensor]) -> list[tuple[torch.dtype, tuple[int, ...]]]:
    """Types and shapes of what autograd saves while a program runs."""
    kept: list[tuple[torch.dtype, tuple[int, ...]]] = []

    def note(tensor: Tensor) -> Tensor:
        kept.append((tensor.dtype, tuple(tensor.shape)))
        return tensor

    with GpuKernels(), saved_tensors_hooks(note, lambda tensor: tensor):
        program()
    return kept


def test_dropout_saves_a_byte_per_element() -> None:
    x = torch.randn(8, 16, requires_grad=True)
    assert saved(lambda: F.dropout(x, 0.5)) == [(torch.bool, (8, 16))]
    assert saved(lambda: F.dropout(x, 0.5, training=False)) == []


@pytest.mark.parametrize(("dtype", "rows"), [(torch.bfloat16, 64), (torch.float32, 64)])
def test_attention_saves_no_scores(dtype: torch.dtype, rows: int) -> None:
    with FakeTensorMode():
        q, k, v = (torch.randn(1, 4, rows, 16, dtype=dtype, requires_grad=True) for _ in range(3))
        kept = saved(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True))
    assert all(shape[-2:] != (rows, rows) for _, shape in kept)
    assert (torch.float32, (1, 4, rows)) in kept  # the log-sums


def test_grouped_heads_are_copied_where_flash_attention_does_not_take_them() -> None:
    with FakeTensorMode():
        q = torch.randn(1, 4, 64, 16, requires_grad=True)
        k, v = (torch.randn(1, 2, 64, 16, requires_grad=True) for _ in range(2))
        wide = saved(lambda: F.scaled_dot_product_attention(q, k, v, enable_gqa=True))
        narrow = saved(
            lambda: F.scaled_dot_product_attention(
                q.bfloat16(), k.bfloat16(), v.bfloat16(), enable_gqa=True
            )
        )
    assert any(shape[-2:] == (64, 64) for _, shape in wide)  # products and a softmax
    assert (torch.bfloat16, (1, 2, 64, 16)) in narrow


def test_a_mask_is_kept_as_numbers_of_the_type_of_queries() -> None:
    with FakeTensorMode():
        q, k, v = (
            torch.randn(2, 4, 64, 16, dtype=torch.bfloat16, requires_grad=True) for _ in range(3)
        )
        mask = torch.ones(2, 1, 64, 64, dtype=torch.bool)
        kept = saved(lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
    assert (torch.bfloat16, (2, 4, 64, 64)) in kept  # expanded: of one head in memory


def test_autocast_raises_to_powers_in_float32() -> None:
    x = torch.randn(4, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.pow(x, 3.0).dtype == torch.bfloat16
        with GpuKernels():
            assert torch.pow(x, 3.0).dtype == torch.float32
            assert (x**2).dtype == torch.float32
            assert torch.softmax(x, 0).dtype == torch.float32
