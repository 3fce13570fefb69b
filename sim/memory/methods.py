"""The catalogue of training methods: what each keeps, from its paper or its authors' code."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from consilico.sim.base.errors import UserError
from consilico.sim.memory import adapter_treatments as a
from consilico.sim.memory import holdings as h
from consilico.sim.memory import treatments as t
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.bases import BASES
from consilico.sim.memory.holdings import Treatment

__all__ = ["METHODS", "TrainingMethod", "find_method", "varied"]


@dataclass(frozen=True, kw_only=True)
class TrainingMethod:
    """A training method: how it treats each class of parameters.

    The description says which tensors exist, in which type, and when they live: holdings for the
    whole run, gradients from the operation that makes them to their update, transients during the
    update.
    """

    name: str
    title: str
    source: str
    blocks: Treatment  # matrices of the blocks
    ends: Treatment  # embeddings and output layer
    vectors: Treatment  # norms and biases
    head: Treatment | None = None  # output layer, where it is treated in another way
    sampled: int = 0  # blocks trained at a time; 0: all
    rank: int = 0  # usual rank; 0: the method has none; -1: a quarter of the hidden size
    adapters: str = ""  # of each matrix: "factors" that both train, a "core" between frozen ones,
    # or scales of "bases" that are as wide as its shorter side
    density: Callable[[Architecture], float] = field(default=lambda architecture: 1.0)
    shared: Callable[[Architecture], int] = field(default=lambda architecture: 0)  # elements
    per_layer: bool = False  # by its nature updates each parameter inside the backward pass
    inside: bool = False  # such an update runs before the product's own backward step is over
    kept_gradients: frozenset[str] = frozenset()  # roles whose gradients are never freed
    forward_only: bool = False
    lazy: bool = False  # subspaces that stay are renewed less and less often
    published: "TrainingMethod | None" = None  # as the authors' code runs it, where that differs
    note: str = ""

    @property
    def parts(self) -> tuple[Treatment, ...]:
        """Return the treatments of all classes of parameters."""
        return (self.blocks, self.ends, self.vectors, *([self.head] if self.head else []))

    @property
    def frozen_base(self) -> str:
        """Return the type of matrices that stay frozen, ``weight`` for that of the run.

        It is empty where they are trained, or where adapters are merged into them.
        """
        frozen = (self.adapters or self.forward_only) and self.ends is t.FROZEN
        return self.blocks.holdings[0].dtype if frozen else ""

    @property
    def low_bit(self) -> bool:
        """Tell whether the weights that train are integers."""
        return self.blocks.holdings[0].dtype == "uint8"


def _random_bases(arch: Architecture) -> int:
    """Return the elements of RandLoRA's bases, which all matrices share and slice.

    They are as many as the longest side times the longest of the shorter sides has.
    """
    matrices = [p for p in arch.parameters() if p.role in ("attention", "mlp")]
    longest = max(max(p.rows, p.columns) for p in matrices)
    return longest * max(min(p.rows, p.columns) for p in matrices)


_CATALOGUE = (
    TrainingMethod(
        name="inference", title="Inference", source="forward pass that fills a cache",
        blocks=t.FROZEN, ends=t.FROZEN, vectors=t.FROZEN, forward_only=True,
        note="no training, for comparison",
    ),
    TrainingMethod(
        name="adamw", title="AdamW", source="arXiv 1711.05101",
        blocks=t.ADAM, ends=t.ADAM, vectors=t.ADAM,
    ),
    TrainingMethod(
        name="adamw-8bit", title="8-bit AdamW", source="arXiv 2110.02861",
        blocks=t.ADAM_8BIT, ends=t.ADAM_8BIT, vectors=t.ADAM_32,
        note="norms and biases keep float32 states",
    ),
    TrainingMethod(
        name="adafactor", title="Adafactor", source="arXiv 1804.04235, Algorithm 4",
        blocks=t.ADAFACTOR, ends=t.ADAFACTOR, vectors=t.ADAFACTOR_VECTORS,
        note="no first moment",
    ),
    TrainingMethod(
        name="sgd", title="SGD", source="Robbins and Monro 1951",
        blocks=t.PLAIN, ends=t.PLAIN, vectors=t.PLAIN, note="no momentum",
    ),
    TrainingMethod(
        name="lora", title="LoRA", source="arXiv 2106.09685",
        blocks=t.LORA, ends=t.FROZEN, vectors=t.FROZEN, rank=16, adapters="factors",
    ),
    TrainingMethod(
        name="qlora", title="QLoRA", source="arXiv 2305.14314, section 3",
        blocks=t.QLORA, ends=t.FROZEN, vectors=t.FROZEN, rank=16, adapters="factors",
    ),
    TrainingMethod(
        name="relora", title="ReLoRA", source="arXiv 2307.05695",
        blocks=t.LORA, ends=t.ADAM, vectors=t.ADAM, rank=-1, adapters="factors",
        note="after its full-rank warm-up; embeddings, output layer and norms train in full",
    ),
    TrainingMethod(
        name="galore", title="GaLore", source="arXiv 2403.03507, Algorithm 2",
        blocks=t.GALORE, ends=t.ADAM, vectors=t.ADAM, rank=-1,
    ),
    TrainingMethod(
        name="galore-8bit", title="8-bit GaLore", source="arXiv 2403.03507, section 4.3",
        blocks=t.GALORE_8BIT, ends=t.ADAM_8BIT, vectors=t.ADAM_32, rank=-1,
    ),
    TrainingMethod(
        name="q-galore", title="Q-GaLore", source="arXiv 2407.08296, Algorithm 1",
        lazy=True, blocks=t.Q_GALORE, ends=t.ADAM_8BIT, vectors=t.ADAM_32, rank=-1,
        note="INT4 projections packed two to a byte; gradients of embeddings freed",
        published=TrainingMethod(
            name="q-galore", title="Q-GaLore as published",
            source="VITA-Group/Q-GaLore: q_galore_torch, run_pretrain.py",
            blocks=t.Q_GALORE_PUBLISHED, ends=t.ADAM_8BIT, vectors=t.ADAM_32,
            rank=-1, lazy=True, inside=True,
            kept_gradients=frozenset({"embedding", "head"}),
            note="a byte for each INT4 code; gradients of embedding and output layer never freed",
        ),
    ),
    TrainingMethod(
        name="lomo", title="LOMO", source="arXiv 2306.09782",
        blocks=t.LOMO, ends=t.LOMO, vectors=t.LOMO, per_layer=True,
    ),
    TrainingMethod(
        name="adalomo", title="AdaLomo", source="arXiv 2310.10195",
        blocks=t.ADALOMO, ends=t.ADALOMO, vectors=t.ADAFACTOR_VECTORS, per_layer=True,
        note="factored second moment, no first",
    ),
    TrainingMethod(
        name="lisa", title="LISA", source="arXiv 2403.17919",
        blocks=t.ADAM, ends=t.ADAM, vectors=t.ADAM, sampled=2,
        note="embedding, output layer and two sampled blocks train; states of others are dropped",
    ),
    TrainingMethod(
        name="owlore", title="OwLore", source="arXiv 2405.18380",
        blocks=t.GALORE, ends=t.ADAM, vectors=t.ADAM, sampled=2, rank=128,
        note="as LISA, with projected gradients in the sampled blocks",
    ),
    TrainingMethod(
        name="welore", title="WeLore", source="arXiv 2407.11239",
        blocks=t.WELORE, ends=t.FROZEN, vectors=t.FROZEN, density=lambda a: 0.5,
        note="half of the matrices' elements kept, as factors. Which of them train depends on the"
        " weights: counted as if all did, an upper bound",
    ),
    TrainingMethod(
        name="apollo", title="APOLLO", source="arXiv 2412.05270, Algorithm 1",
        blocks=t.APOLLO, ends=t.ADAM, vectors=t.ADAM, rank=-1,
        note="random projections made anew from their seeds",
    ),
    TrainingMethod(
        name="apollo-mini", title="APOLLO-Mini", source="arXiv 2412.05270, section 4.2",
        blocks=t.APOLLO, ends=t.ADAM, vectors=t.ADAM, rank=1,
    ),
    TrainingMethod(
        name="q-apollo", title="Q-APOLLO", source="arXiv 2412.05270, section 5.3",
        blocks=t.Q_APOLLO, ends=t.ADAM, vectors=t.ADAM, rank=-1,
    ),
    TrainingMethod(
        name="fira", title="Fira", source="arXiv 2410.01623",
        blocks=t.FIRA, ends=t.ADAM, vectors=t.ADAM, rank=-1,
    ),
    TrainingMethod(
        name="sltrain", title="SLTrain", source="arXiv 2406.02214",
        blocks=t.low_rank_and_sparse(0.03, "int64"), ends=t.ADAM, vectors=t.ADAM, rank=-1,
        note="3 % of the elements next to the factors, with 64-bit indices",
    ),
    TrainingMethod(
        name="lost", title="LOST", source="arXiv 2508.02668",
        blocks=t.low_rank_and_sparse(0.01, "int32"), ends=t.ADAM, vectors=t.ADAM, rank=-1,
        note="whole channels next to the factors; counted as 1 % of the elements with their"
        " positions, an upper bound for the positions",
    ),
    TrainingMethod(
        name="gradnormlorp", title="GradNormLoRP", source="arXiv 2412.19616",
        blocks=t.GRAD_NORM_LORP, ends=t.FROZEN, vectors=t.FROZEN, rank=8, adapters="factors",
        note="states counted for the factors before their gradients are projected: an upper bound",
    ),
    TrainingMethod(
        name="loram", title="LoRAM", source="arXiv 2502.13533",
        blocks=t.LORAM, ends=t.FROZEN, vectors=t.FROZEN, rank=8, adapters="factors",
        density=t.structured(0.65),
        note="structured pruning by 65 %; first four and last two blocks whole",
    ),
    TrainingMethod(
        name="qloram", title="QLoRAM", source="arXiv 2502.13533",
        blocks=t.QLORAM, ends=t.FROZEN, vectors=t.FROZEN, rank=8, adapters="factors",
        density=t.structured(0.65),
        note="as LoRAM, pruned weights in NF4",
    ),
    TrainingMethod(
        name="lamda", title="LaMDA", source="arXiv 2406.12832",
        blocks=t.LAMDA, ends=t.FROZEN, vectors=t.FROZEN, rank=32, adapters="core",
        note="once the outer factors are frozen; only the core between them trains",
    ),
    TrainingMethod(
        name="dct", title="DCT projection", source="arXiv 2505.17967",
        blocks=t.DCT, ends=t.ADAM, vectors=t.ADAM, rank=-1, shared=lambda a: a.hidden**2,
        note="columns of one fixed basis for all layers; error feedback not counted",
    ),
    TrainingMethod(
        name="muon", title="Muon", source="torch.optim.Muon; arXiv 2502.16982, section 2",
        blocks=t.MUON, ends=t.ADAM, vectors=t.ADAM,
        note="embeddings, output layer, norms and biases by AdamW",
    ),
    TrainingMethod(
        name="muon-8bit", title="8-bit Muon", source="arXiv 2509.23106, section 3",
        blocks=t.MUON_8BIT, ends=t.ADAM, vectors=t.ADAM,
        note="momentum in blocks with a scale; the rest by AdamW as with muon",
    ),
    TrainingMethod(
        name="adamw-4bit", title="4-bit AdamW", source="arXiv 2309.01507, sections 3 and 4",
        blocks=t.ADAM_4BIT, ends=t.ADAM_4BIT, vectors=t.ADAM_32,
        note="first moment in blocks of 128, second with a scale per row and column",
    ),
    TrainingMethod(
        name="badam", title="BAdam", source="arXiv 2404.02827, Algorithm 1; badam 1.4",
        blocks=t.BADAM, ends=t.FROZEN, vectors=t.BADAM, sampled=1,
        note="one block at a time, with float32 weights and states; embeddings and output layer"
        " stay as they are",
    ),
    TrainingMethod(
        name="sst", title="SST", source="arXiv 2405.15481, section 4",
        blocks=t.SST, ends=t.ADAM, vectors=t.ADAM, rank=-1,
        note="weights are kept as full singular value decompositions; activations between the"
        " singular vectors are not counted",
    ),
    TrainingMethod(
        name="adalora", title="AdaLoRA", source="arXiv 2303.10512, equation 3; peft",
        blocks=a.ADALORA, ends=t.FROZEN, vectors=t.FROZEN, rank=12, adapters="factors",
        note="at the initial rank, before any is pruned",
    ),
    TrainingMethod(
        name="increlora", title="IncreLoRA", source="arXiv 2308.12043, section 3",
        blocks=a.INCRELORA, ends=t.FROZEN, vectors=t.FROZEN, rank=8, adapters="factors",
        note="at the final rank, once all are added",
    ),
    TrainingMethod(
        name="lora-xs", title="LoRA-XS", source="arXiv 2405.17604, equation 2",
        blocks=t.LAMDA, ends=t.FROZEN, vectors=t.FROZEN, rank=64, adapters="core",
    ),
    TrainingMethod(
        name="svfit", title="SVFit", source="arXiv 2409.05926, section 3",
        blocks=a.SVFIT, ends=t.FROZEN, vectors=t.FROZEN, rank=768, adapters="core",
        note="the singular values alone train, between singular vectors that are kept",
    ),
    TrainingMethod(
        name="nola", title="NOLA", source="arXiv 2310.02556, equation 2",
        blocks=a.NOLA, ends=t.FROZEN, vectors=t.FROZEN, rank=8, adapters="factors",
        note="counted with 1024 coefficients for each factor; bases are made anew from their seeds",
    ),
    TrainingMethod(
        name="randlora", title="RandLoRA", source="arXiv 2502.00987, section 4; peft",
        blocks=a.RANDLORA, ends=t.FROZEN, vectors=t.FROZEN, rank=32, adapters="bases",
        shared=_random_bases,
    ),
    TrainingMethod(
        name="eora", title="EoRA", source="arXiv 2410.21271, section 3",
        blocks=a.EORA, ends=t.FROZEN, vectors=t.FROZEN, rank=128, adapters="factors",
        forward_only=True,
        note="no training: compressed weights with low-rank factors that make up for the error",
    ),
)  # fmt: skip

METHODS: dict[str, TrainingMethod] = {method.name: method for method in _CATALOGUE}
"""The methods by name."""


def find_method(name: str) -> TrainingMethod:
    """Return a method by its name.

    Raises:
        UserError: If there is none; the message names those there are.
    """
    try:
        return METHODS[name]
    except KeyError:
        known = ", ".join(METHODS)
        raise UserError(f"unknown method {name!r}; accepted: {known}") from None


def varied(
    method: TrainingMethod, *, base: str, magnitudes: bool, first_moment: bool
) -> TrainingMethod:
    """Return a method with other tensors than usual.

    Args:
        method: A method of the catalogue.
        base: How frozen matrices are stored: a name of :data:`BASES`, ``bfloat16`` for the type of
            the run, or ``usual``.
        magnitudes: Whether adapters train the magnitudes of rows, too (DoRA).
        first_moment: Whether Adafactor keeps a first moment.
    """
    blocks = method.blocks
    if base != "usual":
        elements = blocks.holdings[0].elements
        stored = BASES[base](elements) if base in BASES else (h.weight(elements=elements),)
        others = blocks.holdings[blocks.weights :]
        blocks = replace(
            blocks, holdings=(*stored, *others), weights=len(stored), weight_copies=base in BASES
        )
    if magnitudes:
        blocks = t.with_magnitudes(blocks)
    if blocks is not method.blocks:
        method = replace(method, blocks=blocks)
    if first_moment:
        moment = h.state("first moment", h.full, "float32")
        changed = [replace(part, holdings=(*part.holdings, moment)) for part in method.parts]
        method = replace(method, blocks=changed[0], ends=changed[1], vectors=changed[2], note="")
    return method
