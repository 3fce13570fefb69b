"""A LLaMA-style decoder whose tensors are those of Hugging Face's, for measuring memory.

Which tensors a training step makes, and how long each lives, follows LlamaForCausalLM of
transformers 4.57, except where :class:`Llama` says otherwise; the numbers it computes are the same.
"""

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import (
    checkpoint,
    create_selective_checkpoint_contexts,
    noop_context_fn,
)

from consilico.sim.memory.architecture import Architecture, Attention, Mlp
from consilico.sim.memory.llama_family import llama_parts

__all__ = ["ATTENTION", "CHECKPOINTING", "Llama", "Output", "selective_contexts"]

ATTENTION = ("fused", "eager")
CHECKPOINTING = ("none", "full", "selective")

_EPS = 1e-6
_ROTARY_BASE = 10000.0
_IGNORED = -100  # label of a position without a next token

_PRODUCTS = [
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
    torch.ops.aten._grouped_mm.default,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
    torch.ops.aten._scaled_dot_product_flash_attention.default,
    torch.ops.aten._scaled_dot_product_efficient_attention.default,
    torch.ops.aten._scaled_dot_product_cudnn_attention.default,
]
"""What selective checkpointing keeps: matrix products and attention, the costly operations."""


selective_contexts = partial(create_selective_checkpoint_contexts, _PRODUCTS)
"""The ``context_fn`` of ``torch.utils.checkpoint.checkpoint`` for selective checkpointing."""


class Output(NamedTuple):
    """Result of a forward pass; the logits live as long as it does."""

    loss: Tensor  # float32 scalar
    logits: Tensor  # shape (batch, time, vocab), the model's dtype


class _RmsNorm(nn.Module):
    def __init__(self, width: int, dtype: torch.dtype, device: torch.device | str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width, dtype=dtype, device=device))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.float32)
        square = wide.pow(2).mean(-1, keepdim=True)
        wide = wide * torch.rsqrt(square + _EPS)
        return self.weight * wide.to(x.dtype)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply the rotary position embedding over halves ``(i, i + d / 2)``."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return (x * cos) + (turned * sin)


def _repeat(x: Tensor, times: int) -> Tensor:
    """Give every query head its key head: ``(batch, kv_heads, time, width)`` to ``heads``."""
    if times == 1:
        return x
    batch, heads, time, width = x.shape
    wide = x[:, :, None].expand(batch, heads, times, time, width)
    return wide.reshape(batch, heads * times, time, width)


class _Block(nn.Module):
    def __init__(
        self,
        hidden: int,
        attention: Attention,
        mlp: Mlp,
        fused: bool,
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> None:
        super().__init__()
        linear = partial(nn.Linear, bias=False, dtype=dtype, device=device)
        self._head_dim, self._groups = attention.head_dim, attention.heads // attention.kv_heads
        self._fused = fused
        self.attention_norm = _RmsNorm(hidden, dtype, device)
        self.query = linear(hidden, attention.query)
        self.key = linear(hidden, attention.key)
        self.value = linear(hidden, attention.key)
        self.output = linear(attention.query, hidden)
        self.mlp_norm = _RmsNorm(hidden, dtype, device)
        self.gate = linear(hidden, mlp.intermediate)
        self.up = linear(hidden, mlp.intermediate)
        self.down = linear(mlp.intermediate, hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        residual = x
        x = self.attention_norm(x)
        x = self._attend(x, cos, sin, mask)
        x = residual + x
        residual = x
        x = self.mlp_norm(x)
        x = self.down(F.silu(self.gate(x)) * self.up(x))
        return residual + x

    def _attend(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        heads = (*x.shape[:-1], -1, self._head_dim)
        q = self.query(x).view(heads).transpose(1, 2)
        k = self.key(x).view(heads).transpose(1, 2)
        v = self.value(x).view(heads).transpose(1, 2)
        # both are computed before either old one is released
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        wide_k, wide_v = _repeat(k, self._groups), _repeat(v, self._groups)
        if self._fused:
            mixed = F.scaled_dot_product_attention(q, wide_k, wide_v, is_causal=True)
        else:
            weights = torch.matmul(q, wide_k.transpose(2, 3)) * self._head_dim**-0.5
            weights = weights + mask
            weights = F.softmax(weights, dim=-1, dtype=torch.float32).to(q.dtype)
            mixed = torch.matmul(weights, wide_v)
        mixed = mixed.transpose(1, 2).contiguous()
        projected: Tensor = self.output(mixed.reshape(*x.shape[:-1], -1))
        return projected


class Llama(nn.Module):
    """The model; ``head`` is its output layer and ``blocks`` are its decoder blocks.

    It differs from transformers in that keys and values of grouped heads are always repeated, as
    attention kernels without support for groups need them; transformers repeats them for eager
    attention only.
    """

    def __init__(
        self,
        arch: Architecture,
        *,
        dtype: torch.dtype,
        attention: str = "fused",
        checkpointing: str = "none",
        device: torch.device | str = "cpu",
    ) -> None:
        """Draw the weights from torch's global generator.

        Args:
            arch: A LLaMA-like architecture.
            dtype: Data type of weights and activations.
            attention: ``fused`` (never holds the scores) or ``eager`` (holds them).
            checkpointing: ``none``; ``full``: a block keeps its input and is computed again in the
                backward pass; ``selective``: a block also keeps its matrix products.
            device: Where the weights are.

        Raises:
            ValueError: If an argument is none of those, or the architecture has parts that LLaMA
            has not.
        """
        super().__init__()
        parts = llama_parts(arch)
        if attention not in ATTENTION:
            raise ValueError(f"attention must be one of {ATTENTION}, not {attention!r}")
        if checkpointing not in CHECKPOINTING:
            raise ValueError(f"checkpointing must be one of {CHECKPOINTING}, not {checkpointing!r}")
        self._dtype, self._fused = dtype, attention == "fused"
        self._checkpointing, self._head_dim = checkpointing, parts[0].head_dim
        self.embedding = nn.Embedding(arch.vocab, arch.hidden, dtype=dtype, device=device)
        self.blocks = nn.ModuleList(
            _Block(arch.hidden, *parts, self._fused, dtype, device) for _ in range(arch.layers)
        )
        self.norm = _RmsNorm(arch.hidden, dtype, device)
        self.head = nn.Linear(arch.hidden, arch.vocab, bias=False, dtype=dtype, device=device)
        if arch.tied:
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor, labels: Tensor) -> Output:
        """Return the mean loss in nats of predicting each next label, and the logits.

        Args:
            tokens: int64, shape ``(batch, time)``.
            labels: The same shape; usually the tokens themselves, as the shift happens here.
        """
        logits = self.head(self._decode(tokens))
        wide = logits.float().view(-1, logits.shape[-1])
        # the labels move, not the logits: a slice of those would be another copy of them
        following = F.pad(labels, (0, 1), value=_IGNORED)[:, 1:].contiguous()
        return Output(F.cross_entropy(wide, following.view(-1), ignore_index=_IGNORED), logits)

    def _decode(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        cos, sin = self._rotary(tokens)
        mask = None if self._fused else self._mask(tokens)
        for block in self.blocks:
            x = self._run(block, x, cos, sin, mask)
        normal: Tensor = self.norm(x)
        return normal

    def _run(self, block: nn.Module, *inputs: Tensor | None) -> Tensor:
        """Run a block, checkpointed if the model is."""
        result: Tensor
        if self._checkpointing == "none" or not torch.is_grad_enabled():
            result = block(*inputs)
        else:
            contexts: Any = noop_context_fn
            if self._checkpointing == "selective":
                contexts = selective_contexts
            # no dropout, so no state of a generator to keep
            result = checkpoint(
                block,
                *inputs,
                use_reentrant=False,
                preserve_rng_state=False,
                context_fn=contexts,
            )
        return result

    @torch.no_grad()
    def _rotary(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of every angle, each of shape ``(1, 1, time, head_dim)``."""
        even = torch.arange(0, self._head_dim, 2, device=tokens.device).float()
        frequencies = _ROTARY_BASE ** -(even / self._head_dim)
        angles = torch.outer(torch.arange(tokens.shape[1], device=tokens.device), frequencies)
        both = torch.cat((angles, angles), dim=-1)[None, None]
        return both.cos().to(self._dtype), both.sin().to(self._dtype)

    @torch.no_grad()
    def _mask(self, tokens: Tensor) -> Tensor:
        """Return what is added to the scores, shape ``(batch, 1, time, time)``."""
        batch, time = tokens.shape
        position = torch.arange(time, device=tokens.device)
        seen = (position[:, None] >= position).expand(batch, 1, time, time)
        zero = torch.zeros((), dtype=self._dtype, device=tokens.device)
        return torch.where(seen, zero, torch.finfo(self._dtype).min)
