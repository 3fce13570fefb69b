"""The catalogue of training methods: what each keeps, from its paper or its authors' code."""

from consilico.sim.base.errors import UserError
from consilico.sim.memory import treatments as t
from consilico.sim.memory.method import Method

__all__ = ["METHODS", "find_method"]

_CATALOGUE = (
    Method(
        name="inference", title="Inference", source="forward pass that fills a cache",
        blocks=t.FROZEN, ends=t.FROZEN, vectors=t.FROZEN, forward_only=True,
        note="no training, for comparison",
    ),
    Method(
        name="adamw", title="AdamW", source="arXiv 1711.05101",
        blocks=t.ADAM, ends=t.ADAM, vectors=t.ADAM,
    ),
    Method(
        name="adamw-8bit", title="8-bit AdamW", source="arXiv 2110.02861",
        blocks=t.ADAM_8BIT, ends=t.ADAM_8BIT, vectors=t.ADAM_32,
        note="blocks of 2048 states share a scale; norms and biases keep float32 states",
    ),
    Method(
        name="adafactor", title="Adafactor", source="arXiv 1804.04235, Algorithm 4",
        blocks=t.ADAFACTOR, ends=t.ADAFACTOR, vectors=t.ADAFACTOR_VECTORS,
        note="no first moment",
    ),
    Method(
        name="sgd", title="SGD", source="Robbins and Monro 1951",
        blocks=t.PLAIN, ends=t.PLAIN, vectors=t.PLAIN, note="no momentum",
    ),
    Method(
        name="lora", title="LoRA", source="arXiv 2106.09685",
        blocks=t.LORA, ends=t.FROZEN, vectors=t.FROZEN, rank=16, adapters="factors",
    ),
    Method(
        name="qlora", title="QLoRA", source="arXiv 2305.14314, section 3",
        blocks=t.QLORA, ends=t.FROZEN, vectors=t.FROZEN, rank=16, adapters="factors",
        note="NF4 with double quantisation; embeddings and output layer stay as they are",
    ),
    Method(
        name="relora", title="ReLoRA", source="arXiv 2307.05695",
        blocks=t.LORA, ends=t.ADAM, vectors=t.ADAM, rank=-1, adapters="factors",
        note="after its full-rank warm-up; embeddings, output layer and norms train in full",
    ),
    Method(
        name="galore", title="GaLore", source="arXiv 2403.03507, Algorithm 2",
        blocks=t.GALORE, ends=t.ADAM, vectors=t.ADAM, rank=-1,
    ),
    Method(
        name="galore-8bit", title="8-bit GaLore", source="arXiv 2403.03507, section 4.3",
        blocks=t.GALORE_8BIT, ends=t.ADAM_8BIT, vectors=t.ADAM_32, rank=-1,
    ),
    Method(
        name="q-galore", title="Q-GaLore", source="arXiv 2407.08296, Algorithm 1",
        lazy=True, blocks=t.Q_GALORE, ends=t.ADAM_8BIT, vectors=t.ADAM_32, rank=-1,
        note="INT4 projections packed two to a byte; gradients of embeddings freed",
        published=Method(
            name="q-galore", title="Q-GaLore as published",
            source="VITA-Group/Q-GaLore: q_galore_torch, run_pretrain.py",
            blocks=t.Q_GALORE_PUBLISHED, ends=t.ADAM_8BIT, vectors=t.ADAM_32,
            rank=-1, lazy=True, inside=True,
            kept_gradients=frozenset({"embedding", "head"}),
            note="a byte for each INT4 code; gradients of embedding and output layer never freed",
        ),
    ),
    Method(
        name="lomo", title="LOMO", source="arXiv 2306.09782",
        blocks=t.LOMO, ends=t.LOMO, vectors=t.LOMO, per_layer=True,
    ),
    Method(
        name="adalomo", title="AdaLomo", source="arXiv 2310.10195",
        blocks=t.ADAFACTOR, ends=t.ADAFACTOR, vectors=t.ADAFACTOR_VECTORS, per_layer=True,
        note="factored second moment, no first",
    ),
    Method(
        name="lisa", title="LISA", source="arXiv 2403.17919",
        blocks=t.ADAM, ends=t.ADAM, vectors=t.ADAM, sampled=2,
        note="embedding, output layer and two sampled blocks train; states of others are dropped",
    ),
    Method(
        name="owlore", title="OwLore", source="arXiv 2405.18380",
        blocks=t.GALORE, ends=t.ADAM, vectors=t.ADAM, sampled=2, rank=128,
        note="as LISA, with projected gradients in the sampled blocks",
    ),
    Method(
        name="welore", title="WeLore", source="arXiv 2407.11239",
        blocks=t.WELORE, ends=t.FROZEN, vectors=t.FROZEN, density=lambda a: 0.5,
        note="half of the matrices' elements kept, as factors. Which of them train depends on the"
        " weights: counted as if all did, an upper bound",
    ),
    Method(
        name="apollo", title="APOLLO", source="arXiv 2412.05270, Algorithm 1",
        blocks=t.APOLLO, ends=t.ADAM, vectors=t.ADAM, rank=-1,
        note="random projections made anew from their seeds",
    ),
    Method(
        name="apollo-mini", title="APOLLO-Mini", source="arXiv 2412.05270, section 4.2",
        blocks=t.APOLLO, ends=t.ADAM, vectors=t.ADAM, rank=1,
    ),
    Method(
        name="q-apollo", title="Q-APOLLO", source="arXiv 2412.05270, section 5.3",
        blocks=t.Q_APOLLO, ends=t.ADAM, vectors=t.ADAM, rank=-1,
    ),
    Method(
        name="fira", title="Fira", source="arXiv 2410.01623",
        blocks=t.FIRA, ends=t.ADAM, vectors=t.ADAM, rank=-1,
    ),
    Method(
        name="sltrain", title="SLTrain", source="arXiv 2406.02214",
        blocks=t.low_rank_and_sparse(0.03, "int64"), ends=t.ADAM, vectors=t.ADAM, rank=-1,
        note="3 % of the elements beside the factors, with 64-bit indices",
    ),
    Method(
        name="lost", title="LOST", source="arXiv 2508.02668",
        blocks=t.low_rank_and_sparse(0.01, "int32"), ends=t.ADAM, vectors=t.ADAM, rank=-1,
        note="whole channels beside the factors; counted as 1 % of the elements with their"
        " positions, an upper bound for the positions",
    ),
    Method(
        name="gradnormlorp", title="GradNormLoRP", source="arXiv 2412.19616",
        blocks=t.GRAD_NORM_LORP, ends=t.FROZEN, vectors=t.FROZEN, rank=8, adapters="factors",
        note="states counted for the factors before their gradients are projected: an upper bound",
    ),
    Method(
        name="loram", title="LoRAM", source="arXiv 2502.13533",
        blocks=t.LORAM, ends=t.FROZEN, vectors=t.FROZEN, rank=8, adapters="factors",
        density=t.structured(0.65),
        note="structured pruning by 65 %; first four and last two blocks whole",
    ),
    Method(
        name="qloram", title="QLoRAM", source="arXiv 2502.13533",
        blocks=t.QLORAM, ends=t.FROZEN, vectors=t.FROZEN, rank=8, adapters="factors",
        density=t.structured(0.65),
        note="as LoRAM, pruned weights in NF4",
    ),
    Method(
        name="lamda", title="LaMDA", source="arXiv 2406.12832",
        blocks=t.LAMDA, ends=t.FROZEN, vectors=t.FROZEN, rank=32, adapters="core",
        note="once the outer factors are frozen; only the core between them trains",
    ),
    Method(
        name="dct", title="DCT projection", source="arXiv 2505.17967",
        blocks=t.DCT, ends=t.ADAM, vectors=t.ADAM, rank=-1, shared=lambda a: a.hidden**2,
        note="columns of one fixed basis for all layers; error feedback not counted",
    ),
)  # fmt: skip
METHODS: dict[str, Method] = {method.name: method for method in _CATALOGUE}


def find_method(name: str) -> Method:
    """A method by its name.

    Raises:
        UserError: If there is none; names those there are.
    """
    try:
        return METHODS[name]
    except KeyError:
        known = ", ".join(METHODS)
        raise UserError(f"unknown method {name!r}; accepted: {known}") from None
