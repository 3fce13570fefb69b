"""The shape of a language model as the ledger sees it: its kinds of blocks, and every parameter.

An :class:`Architecture` is put together from parts. A :class:`Block` has an attention
(:class:`Attention` or :class:`LatentAttention`), an MLP (:class:`Mlp` or a :class:`Mixture` of
them) and norms in certain places. Blocks may differ: ``kinds`` has each kind once, ``pattern`` says
which kind each layer is of. ``llama_family.decoder`` makes the common case of equal blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache

__all__ = [
    "NORMS", "NORM_PLACES", "ROLES", "Architecture", "Attention", "Block", "LatentAttention",
    "Mixture", "Mlp", "Parameter",
]  # fmt: skip

ROLES = ("embedding", "position", "attention", "mlp", "expert", "router", "norm", "bias", "head")
"""What a parameter is for. The matrices of blocks are those of ``attention``, ``mlp`` and
``expert``; an ``expert`` is a stack of matrices in one tensor."""

NORMS = {
    "rms": (True, False),
    "rms-float": (True, False),
    "layer": (True, True),
    "layer-narrow": (True, True),
    "layer-unbiased": (True, False),
    "layer-float": (True, False),
    "layer-plain": (False, False),
    "l2": (False, False),
}
"""Kinds of norms, and whether each has weights and biases.

``rms`` is LLaMA's; ``rms-float`` applies its weights in float32 (Gemma, OLMo 2). ``layer`` is
PyTorch's kernel, ``layer-unbiased`` the same without biases, ``layer-narrow`` the same in the type
of autocast (Nemotron); ``layer-float`` is written out in float32 (Cohere); ``layer-plain`` is
PyTorch's in float32, without parameters (OLMo). ``l2`` is ``rms`` without weights (Llama 4).
"""

NORM_PLACES = {
    "before": ("attention norm", "mlp norm"),
    "after": ("attention result norm", "mlp result norm"),
    "around": ("attention norm", "attention result norm", "mlp norm", "mlp result norm"),
    "shared": ("attention norm",),
    "parallel": ("attention norm", "mlp norm"),
}
"""Places of the norms of a block, and their names.

``before``: of the inputs of attention and MLP (LLaMA); ``after``: of their results (OLMo 2);
``around``: both (Gemma 2). In the last two, attention and MLP run next to each other on the block's
input and their results are added together: after one norm for both (``shared``, Cohere), or one
each (``parallel``, GPT-NeoX).
"""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter tensor that occurs ``count`` times in the model.

    Some tensors are a stack of ``matrices`` equal matrices, of which a token meets ``used``: the
    experts of a mixture. Each may be ``fused`` of several matrices, which have adapters of their
    own rank each.
    """

    name: str
    role: str  # one of ROLES
    rows: int  # outputs of a matrix; length of a vector
    columns: int = 1  # inputs of a matrix; 1 for a vector
    count: int = 1
    matrices: int = 1
    used: int = 1
    fused: int = 1
    layer: bool = True  # of a linear layer, which libraries find by its class; else a bare tensor
    wide: bool = False  # in float32 whatever the model's type is, and all that is made for it
    kinds: tuple[int, ...] = ()  # of the blocks that have one each; none: outside the blocks

    @property
    def elements(self) -> int:
        """Return the number of elements of one of these tensors."""
        return self.matrices * self.rows * self.columns

    @property
    def in_block(self) -> bool:
        """Tell whether blocks have a parameter of this name, one each."""
        return bool(self.kinds)


def _linear(name: str, role: str, rows: int, columns: int, bias: bool) -> Iterator[Parameter]:
    """Yield the matrix of a linear layer, and its bias if it has one."""
    yield Parameter(name=name, role=role, rows=rows, columns=columns)
    if bias:
        yield Parameter(name=f"{name} bias", role="bias", rows=rows)


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Attention of query heads over key heads, which groups of them may share.

    Raises:
        ValueError: If ``kv_heads`` does not divide ``heads``.
    """

    heads: int
    kv_heads: int
    head_dim: int
    bias: bool = False  # of queries, keys and values
    output_bias: bool = False
    # one matrix makes all three, and then: "slices" of the result, its "split", or "copies" of that
    fused: str = ""
    norm: str = ""  # of queries and keys: one of NORMS, or none
    norm_of: str = "head"  # "head": the same weights for each; "each": their own; "whole": one norm
    rotary: int = 0  # dimensions of a head that are rotated by their position
    joined: bool = False  # those and the rest are joined anew, which puts heads before tokens
    # "float32": of rotation, in float32; "own", "own float32": made by each block; "own each", "own
    # each float32": for queries and for keys
    angles: str = ""
    window: int = 0  # tokens that a token sees; 0: all before it
    # scores are held whatever is asked for: in the family's "own" code, or by PyTorch's "products",
    # which it takes where it has no fused kernel
    held: str = ""
    # written-out scores: of queries and keys in "float32"; in float32 from a float32 bias on
    # ("biased"); with a softmax in the run's type ("narrow"); else their softmax alone is float32
    scores: str = ""
    masked: bool = False  # transformers makes a mask whatever is asked for
    spread: bool = False  # keys and values are copied for all heads before anything else
    capped: bool = False  # scores go through a hyperbolic tangent
    alibi: bool = False  # a bias of the scores by distance
    sinks: bool = False  # a learned score of nothing for each head

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads must divide heads ({self.heads}), not {self.kv_heads}")

    @property
    def query(self) -> int:
        """Return the number of query elements per token, over all heads."""
        return self.heads * self.head_dim

    @property
    def key(self) -> int:
        """Return the number of key elements per token, over all heads; there are as many values."""
        return self.kv_heads * self.head_dim

    @property
    def result(self) -> int:
        """Return the number of elements of the result per token, over all heads."""
        return self.query

    @property
    def kv_cache_elements(self) -> int:
        """Return the elements per token that a cache keeps for tokens to come."""
        return 2 * self.key

    def parameters(self, hidden: int) -> Iterator[Parameter]:
        """Yield the parameters of the attention of one block."""
        q, k = self.query, self.key
        if self.fused:
            yield from _linear("query, key and value", "attention", q + 2 * k, hidden, self.bias)
        else:
            for name, width in (("query", q), ("key", k), ("value", k)):
                yield from _linear(name, "attention", width, hidden, self.bias)
        if self.norm:
            for name, width in (("query", q), ("key", k)):
                length = self.head_dim if self.norm_of == "head" else width
                weights, biases = NORMS[self.norm]
                if weights:
                    yield Parameter(name=f"{name} norm", role="norm", rows=length)
                if biases:
                    yield Parameter(name=f"{name} norm bias", role="bias", rows=length)
        if self.sinks:
            yield Parameter(name="attention sinks", role="bias", rows=self.heads)
        yield from _linear("attention output", "attention", hidden, q, self.output_bias)


@dataclass(frozen=True, kw_only=True)
class LatentAttention:
    """Attention whose keys and values are made from one short vector per token (DeepSeek-V2).

    arXiv 2405.04434, section 2.1. A head's queries and keys have ``plain`` dimensions and
    ``rotary`` ones, the latter of the keys being the same for all heads.
    """

    heads: int
    query_rank: int  # length of the short vector that queries are made from; 0: the input itself
    key_rank: int
    plain: int
    rotary: int
    value: int  # dimensions of a head's values
    bias: bool = False  # of the matrices that shorten, and of the output
    window: int = 0
    capped: bool = False
    angles: str = ""
    held: str = ""
    scores: str = ""
    masked: bool = False

    @property
    def head_dim(self) -> int:
        """Return the dimensions of a head's queries and keys."""
        return self.plain + self.rotary

    @property
    def query(self) -> int:
        """Return the number of query elements per token, over all heads; keys have as many."""
        return self.heads * self.head_dim

    @property
    def result(self) -> int:
        """Return the number of elements of the result per token, over all heads."""
        return self.heads * self.value

    @property
    def kv_cache_elements(self) -> int:
        """Return the elements per token that a cache keeps for tokens to come."""
        return self.key_rank + self.rotary

    def parameters(self, hidden: int) -> Iterator[Parameter]:
        """Yield the parameters of the attention of one block."""
        role, rank, short = "attention", self.query_rank, self.key_rank
        if rank:
            yield from _linear("query, shortened", role, rank, hidden, self.bias)
            yield Parameter(name="query norm", role="norm", rows=rank)
            yield from _linear("query", role, self.query, rank, False)
        else:
            yield from _linear("query", role, self.query, hidden, False)
        yield from _linear("key and value, shortened", role, short + self.rotary, hidden, self.bias)
        yield Parameter(name="key and value norm", role="norm", rows=short)
        wide = self.heads * (self.plain + self.value)
        yield from _linear("key and value", role, wide, short, False)
        yield from _linear("attention output", role, hidden, self.result, self.bias)


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """The two or, with a gate, three matrices that follow the attention."""

    intermediate: int
    gated: bool = True
    activation: str = "silu"
    bias: bool = False
    fused: bool = False  # one matrix makes gate and up

    def parameters(self, hidden: int, prefix: str = "") -> Iterator[Parameter]:
        """Yield the parameters, with ``prefix`` before their names."""
        f = self.intermediate
        names = ["gate", "up"] if self.gated else ["up"]
        if self.fused:
            names, f = [" and ".join(names)], f * len(names)
        for name in names:
            yield from _linear(f"{prefix}{name}", "mlp", f, hidden, self.bias)
        yield from _linear(f"{prefix}down", "mlp", hidden, self.intermediate, self.bias)


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A mixture of experts: a router chooses some of many MLPs for each token.

    The experts' matrices are stacked in two tensors, as transformers 5 has them. A shared expert
    runs for every token.
    """

    experts: int
    chosen: int  # experts of a token
    whole: bool = False  # but all experts run for all tokens (Llama 4)
    expert: Mlp
    shared: Mlp | None = None
    shared_gate: bool = False  # the shared expert's result is weighted, too
    router_bias: bool = False
    router_layer: bool = False  # transformers has it as a linear layer, not as a bare parameter
    router_results: bool = False  # a layer that hands back more than its product: peft fails on it
    wide_router: bool = False  # its matrix and its product are in float32
    wide_scores: bool = False  # experts' results are weighted in float32

    def parameters(self, hidden: int) -> Iterator[Parameter]:
        """Yield the parameters of the mixture of one block."""
        f, n = self.expert.intermediate, self.experts
        for own in _linear("router", "router", n, hidden, self.router_bias):
            yield replace(own, layer=self.router_layer, wide=self.wide_router)
        wide, name = (2 * f, "gate and up") if self.expert.gated else (f, "up")
        for part, rows, columns in ((name, wide, hidden), ("down", hidden, f)):
            yield Parameter(
                name=f"experts' {part}", role="expert", rows=rows, columns=columns, matrices=n,
                used=n if self.whole else self.chosen, layer=False,
                fused=2 if part == "gate and up" else 1,
            )  # fmt: skip
            if self.expert.bias:
                yield Parameter(name=f"experts' {part} bias", role="bias", rows=n * rows)
        if self.shared is not None:
            yield from self.shared.parameters(hidden, "shared ")
        if self.shared_gate:
            yield Parameter(name="shared expert's weight", role="router", rows=1, columns=hidden)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A kind of block of a model."""

    attention: Attention | LatentAttention
    mlp: Mlp | Mixture
    norms: str = "before"  # one of NORM_PLACES
    scaled: bool = False  # results are scaled before they are added to the block's input
    results_first: bool = False  # those side by side are added to each other before the input
    # what the program has a name for while the MLP runs: its "input", results of "attention" and
    # of the "attention norm"
    named: tuple[str, ...] = ("input",)
    # the program keeps all that a block hands back, attention weights too, until the next is done
    keeps_answer: bool = False

    def parameters(self, hidden: int, norm: str) -> Iterator[Parameter]:
        """Yield the parameters of one such block, each once, in the order of the forward pass."""
        weights, biases = NORMS[norm]
        places = NORM_PLACES[self.norms]
        names = [name for name in places if weights]
        attention = [name for name in names if name.startswith("attention")]
        for name in attention[:1]:
            yield Parameter(name=name, role="norm", rows=hidden)
        yield from self.attention.parameters(hidden)
        for name in [name for name in names if name not in attention[:1]]:
            yield Parameter(name=name, role="norm", rows=hidden)
        yield from self.mlp.parameters(hidden)
        if biases:
            yield Parameter(name="norm biases", role="bias", rows=len(places) * hidden)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The shape of a decoder, or of an encoder like BERT.

    Raises:
        ValueError: If a field is out of range; the message names field and value.
    """

    name: str
    hidden: int
    vocab: int
    kinds: tuple[Block, ...]  # of blocks, each once
    pattern: tuple[int, ...]  # for each block, from the input on, its place in ``kinds``
    norm: str = "rms"  # one of NORMS
    tied: bool = False  # the output layer is the embedding
    head_bias: bool = False
    logits: str = "plain"  # or "scaled", or "capped": through a hyperbolic tangent
    angles: int = 1  # sets of rotary angles
    positions: int = 0  # rows of learned position embeddings, 0: none
    embedding_width: int = 0  # of the embedding's vectors where not ``hidden``
    embedding_norm: bool = False  # in addition to the norms of blocks and the final one
    embedding_scaled: bool = False  # its result is, outside the layer itself
    extra: int = 0  # further parameters: poolers, token types
    buffers: int = 0  # bytes of tables and masks that the model stores
    final_norm: bool = True  # before the output layer
    post_norm: bool = False  # BERT: a norm after the embedding, none before the output layer
    context: int = 2048  # longest sequence the model was made for
    source: str = ""
    adapts_stacks: bool = False  # peft knows the family's experts and routers by name
    notes: tuple[str, ...] = ()  # what a reader of an answer should know about the model
    quantization: str = ""  # that its configuration asks for, such as "gptq 4 bits"

    def __post_init__(self) -> None:
        parts: tuple[_Part, ...] = (self, *_parts(self.kinds))
        for part in parts:
            for item in fields(part):
                value = getattr(part, item.name)
                needed = item.type is int and item.name not in _MAY_BE_ZERO
                if needed and (type(value) is not int or value < 1):
                    raise ValueError(f"{item.name} must be a positive integer, not {value!r}")
        if not self.pattern or set(self.pattern) != set(range(len(self.kinds))):
            raise ValueError(f"pattern must name each of {len(self.kinds)} kinds of blocks")
        if self.norm not in NORMS:
            raise ValueError(f"norm must be one of {', '.join(NORMS)}, not {self.norm!r}")
        _parameters(self)

    @property
    def layers(self) -> int:
        """Return the number of blocks."""
        return len(self.pattern)

    @property
    def changes_embedding(self) -> bool:
        """Tell whether the embedding's result is changed before the first block has it."""
        wide = self.embedding_width not in (0, self.hidden)
        return bool(self.positions or self.embedding_norm or self.embedding_scaled or wide)

    @property
    def block(self) -> Block:
        """Return the first kind of block, for code that knows models of equal blocks only."""
        return self.kinds[0]

    def block_of(self, index: int) -> Block:
        """Return the block of a layer, counted from the input on."""
        return self.kinds[self.pattern[index]]

    def parameters(self) -> tuple[Parameter, ...]:
        """Return every parameter in the order of the forward pass; a tied output layer is none."""
        return _parameters(self)

    def _parameters(self) -> Iterator[Parameter]:
        h, width = self.hidden, self.embedding_width or self.hidden
        weights, biases = NORMS[self.norm]
        yield Parameter(name="embedding", role="embedding", rows=self.vocab, columns=width)
        if self.positions:
            yield Parameter(name="positions", role="position", rows=self.positions, columns=h)
        if self.extra:
            yield Parameter(name="pooler and token types", role="position", rows=self.extra)
        if width != h:
            yield Parameter(name="embedding, widened", role="embedding", rows=h, columns=width)
        if self.embedding_norm:
            yield Parameter(name="embedding norm", role="norm", rows=h)
            if biases:
                yield Parameter(name="embedding norm bias", role="bias", rows=h)
        yield from self._of_blocks()
        if biases and self.final_norm:
            yield Parameter(name="final norm bias", role="bias", rows=h)
        if weights and self.final_norm:
            yield Parameter(name="final norm", role="norm", rows=h)
        if width != h:
            yield Parameter(name="result, narrowed", role="embedding", rows=width, columns=h)
        if not self.tied:
            yield Parameter(name="output layer", role="head", rows=self.vocab, columns=width)
        if self.head_bias:
            yield Parameter(name="output layer bias", role="bias", rows=self.vocab)

    def _of_blocks(self) -> Iterator[Parameter]:
        """Yield the parameters of all blocks; those that kinds have in common once.

        Raises:
            ValueError: If two kinds have parameters of one name and different shapes.
        """
        found: dict[str, Parameter] = {}
        for kind, block in enumerate(self.kinds):
            blocks = self.pattern.count(kind)
            for one in block.parameters(self.hidden, self.norm):
                known = found.get(one.name)
                if known is None:
                    found[one.name] = replace(one, count=blocks, kinds=(kind,))
                    continue
                if replace(known, count=1, kinds=()) != one:
                    raise ValueError(
                        f"{one.name} must have one shape in all blocks, not {known.rows} x"
                        f" {known.columns} and {one.rows} x {one.columns}"
                    )
                found[one.name] = replace(
                    known, count=known.count + blocks, kinds=(*known.kinds, kind)
                )
        return iter(found.values())

    def blocks_with(self, parameter: Parameter, last: int) -> int:
        """Return how many of a parameter the ``last`` blocks have; 1 of one outside the blocks."""
        if not parameter.in_block:
            return 1
        chosen = self.pattern[self.layers - last :]
        return sum(chosen.count(kind) for kind in parameter.kinds)

    @property
    def parameter_count(self) -> int:
        """Return the number of all parameters, each counted once."""
        return sum(p.elements * p.count for p in self.parameters())

    def matrix_elements(self, kind: int) -> int:
        """Return the number of elements in the matrices of one block of a kind."""
        roles = ("attention", "mlp", "expert")
        return sum(p.elements for p in self.parameters() if p.role in roles and kind in p.kinds)

    @property
    def matrix_parameters(self) -> int:
        """Return the number of elements in the matrices of all blocks."""
        return sum(self.matrix_elements(kind) for kind in self.pattern)


_MAY_BE_ZERO = frozenset(
    {"rotary", "window", "query_rank", "angles", "positions", "embedding_width", "extra", "buffers"}
)


_Part = Architecture | Attention | LatentAttention | Mlp | Mixture


def _parts(kinds: tuple[Block, ...]) -> Iterator[_Part]:
    """Yield the parts of blocks that have sizes."""
    for block in kinds:
        yield block.attention
        if isinstance(block.mlp, Mixture):
            yield from (block.mlp, block.mlp.expert)
            if block.mlp.shared is not None:
                yield block.mlp.shared
        else:
            yield block.mlp


@lru_cache(maxsize=64)
def _parameters(architecture: Architecture) -> tuple[Parameter, ...]:
    """Return the parameters; a sweep asks for those of the same few models many times."""
    return tuple(architecture._parameters())
