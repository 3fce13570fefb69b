"""The shape of a language model as the ledger sees it: every parameter tensor of it."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache

__all__ = ["ROLES", "Architecture", "Parameter", "unlike_llama"]

ROLES = ("embedding", "position", "attention", "mlp", "norm", "bias", "head")
"""What a parameter is for. The matrices of the blocks are those of ``attention`` and ``mlp``."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter tensor that occurs ``count`` times, once in each block or once in the model."""

    name: str
    role: str  # one of ROLES
    rows: int  # outputs of a matrix; length of a vector
    columns: int  # inputs of a matrix; 1 for a vector
    count: int

    @property
    def elements(self) -> int:
        """Return the number of elements of one of these tensors."""
        return self.rows * self.columns


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The shape of a decoder (LLaMA, Mistral, Qwen2, Gemma, GPT-2) or of a BERT-like encoder.

    Raises:
        ValueError: If a field is out of range; the message names field and value.
    """

    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool = False  # the output layer is the embedding
    gated: bool = True  # MLP of three matrices (gate, up, down), else of two
    activation: str = "silu"
    norm: str = "rms"  # rms: a weight; rms-float: applied in float32 (Gemma); layer: and a bias
    qkv_bias: bool = False
    output_bias: bool = False  # on the attention's output
    mlp_bias: bool = False
    bias: bool = False  # on every linear layer of the blocks
    positions: int = 0  # rows of learned position embeddings, 0: rotary
    extra: int = 0  # further parameters: poolers, token types
    post_norm: bool = False  # BERT: a norm after the embedding, none before the output layer
    context: int = 2048  # longest sequence the model was made for
    source: str = ""

    def __post_init__(self) -> None:
        counted = ("hidden", "intermediate", "layers", "heads", "kv_heads", "head_dim", "vocab")
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in (*counted, "context") and (type(value) is not int or value < 1):
                raise ValueError(f"{item.name} must be a positive integer, not {value!r}")
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads must divide heads ({self.heads}), not {self.kv_heads}")
        if self.norm not in ("rms", "rms-float", "layer"):
            raise ValueError(f"norm must be rms, rms-float or layer, not {self.norm!r}")

    @property
    def query(self) -> int:
        """Return the number of query elements per token, over all heads."""
        return self.heads * self.head_dim

    @property
    def key(self) -> int:
        """Return the number of key elements per token, over all heads; there are as many values."""
        return self.kv_heads * self.head_dim

    def parameters(self) -> tuple[Parameter, ...]:
        """Return every parameter in the order of the forward pass; a tied output layer is none."""
        return _parameters(self)

    def _parameters(self) -> Iterator[Parameter]:
        h, f, q, k, n = self.hidden, self.intermediate, self.query, self.key, self.layers

        def one(name: str, role: str, rows: int, columns: int = 1, count: int = n) -> Parameter:
            return Parameter(name=name, role=role, rows=rows, columns=columns, count=count)

        yield one("embedding", "embedding", self.vocab, h, 1)
        if self.positions:
            yield one("positions", "position", self.positions, h, 1)
        if self.extra:
            yield one("pooler and token types", "position", self.extra, 1, 1)
        yield one("attention norm", "norm", h)
        for name, rows, columns in (("query", q, h), ("key", k, h), ("value", k, h)):
            yield one(name, "attention", rows, columns)
            if self.qkv_bias or self.bias:
                yield one(f"{name} bias", "bias", rows)
        yield one("attention output", "attention", h, q)
        yield one("mlp norm", "norm", h)
        if self.gated:
            yield one("gate", "mlp", f, h)
        yield one("up", "mlp", f, h)
        yield one("down", "mlp", h, f)
        if self.bias or self.output_bias:
            yield one("attention output bias", "bias", h)
        if self.bias or self.mlp_bias:
            if self.gated:
                yield one("gate bias", "bias", f)
            yield one("up bias", "bias", f)
            yield one("down bias", "bias", h)
        if self.norm == "layer":
            yield one("norm biases", "bias", 2 * h)
            yield one("final norm bias", "bias", h, count=1)
        yield one("final norm", "norm", h, count=1)
        if not self.tied:
            yield one("output layer", "head", self.vocab, h, 1)

    @property
    def parameter_count(self) -> int:
        """Return the number of all parameters, each counted once."""
        return sum(p.elements * p.count for p in self.parameters())

    @property
    def block_matrix_parameters(self) -> int:
        """Return the number of parameters in the matrices of one block."""
        return sum(p.elements for p in self.parameters() if p.role in ("attention", "mlp"))


@lru_cache(maxsize=64)
def _parameters(architecture: Architecture) -> tuple[Parameter, ...]:
    """Return the parameters; a sweep asks for those of the same few models many times."""
    return tuple(architecture._parameters())


_LLAMA = {
    "gated": True,
    "activation": "silu",
    "norm": "rms",
    "qkv_bias": False,
    "output_bias": False,
    "mlp_bias": False,
    "bias": False,
    "positions": 0,
    "extra": 0,
    "post_norm": False,
}


def unlike_llama(architecture: Architecture) -> str:
    """Say what distinguishes a model from the LLaMA family, for code that knows that family only.

    Returns:
        A sentence that names the field, such as ``gated of gpt2 must be True as in LLaMA, not
        False``; empty if the model is built like LLaMA. Grouped key heads and tied embeddings are.
    """
    for name, value in _LLAMA.items():
        own = getattr(architecture, name)
        if own != value:
            return f"{name} of {architecture.name} must be {value!r} as in LLaMA, not {own!r}"
    return ""
