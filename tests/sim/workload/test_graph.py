"""The products of a graph are those that PyTorch dispatches for Hugging Face's own models."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from consilico.sim.base.errors import UserError
from consilico.sim.memory.presets import find_model, read_config
from consilico.sim.workload.graph import OperatorGraph, Workload, operator_graph, seen_scores

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
BATCH, CONTEXT = 2, 10
SIZES = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 128, "max_position_embeddings": 64, "pad_token_id": 0,
}  # fmt: skip
WIDE = SIZES | {"head_dim": 24}
EXPERTS = {
    "num_local_experts": 4, "num_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 40,
}  # fmt: skip
DEEPSEEK = SIZES | EXPERTS | {
    "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
    "v_head_dim": 12, "n_shared_experts": 2, "first_k_dense_replace": 1, "n_group": 1,
    "topk_group": 1, "num_key_value_heads": 4,
}  # fmt: skip
GPT = {"n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 128, "n_positions": 64}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": WIDE,
    "mistral": WIDE | {"sliding_window": 4},
    "qwen2": SIZES | {"tie_word_embeddings": True},
    "qwen3": WIDE,
    "gemma2": WIDE | {"sliding_window": 6},
    "gemma3_text": WIDE | {"num_hidden_layers": 7, "sliding_window": 5},
    "phi3": SIZES,
    "olmo2": SIZES,
    "cohere2": SIZES | {"sliding_window": 5},
    "mixtral": WIDE | EXPERTS,
    "qwen3_moe": WIDE | EXPERTS | {"decoder_sparse_step": 2},
    **dict.fromkeys(("deepseek_v2", "deepseek_v3"), DEEPSEEK),
    "gpt2": GPT,
    "gpt_neox": SIZES,
    "opt": SIZES | {"ffn_dim": 96, "word_embed_proj_dim": 32, "do_layer_norm_before": False},
    "falcon": {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
               "vocab_size": 128},
}  # fmt: skip
Shapes = Counter[tuple[int, int, int]]


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts matrix products by their shapes m, k, n."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.shapes: Shapes = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        aten, name = torch.ops.aten, function.overloadpacket
        place = {aten.mm: 0, aten.bmm: 0, aten.addmm: 1, aten.baddbmm: 1}.get(name)
        if place is not None:
            left, right = args[place : place + 2]
            times = left.shape[0] if left.dim() == 3 else 1
            self.shapes[left.shape[-2], left.shape[-1], right.shape[-1]] += times
        return function(*args, **(kwargs or {}))


def built(family: str, folder: Path) -> tuple[Any, Any]:
    """Return Hugging Face's model of a family without data, and the architecture of its file."""
    transformers = pytest.importorskip("transformers", reason="needs the extra hf")
    config = transformers.AutoConfig.for_model(family, **FAMILIES[family])
    path = folder / "config.json"
    path.write_text(json.dumps(config.to_dict(), default=str))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(
            config, attn_implementation="eager", experts_implementation="batched_mm"
        )
    return model.eval(), read_config(path)


def dispatched(model: Any, new: int) -> Shapes:
    """Return the products of ``new`` tokens at the end of the context, the others in a cache."""
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    tokens = torch.zeros(BATCH, CONTEXT, dtype=torch.long, device="meta")
    with torch.no_grad():
        if new < CONTEXT:
            model(tokens[:, : CONTEXT - new], past_key_values=cache, use_cache=True)
        with Products() as seen:
            keep = 1 if new == CONTEXT else 0
            model(
                tokens[:, CONTEXT - new :], past_key_values=cache, use_cache=True,
                logits_to_keep=keep,
            )  # fmt: skip
    shapes: Shapes = seen.shapes
    return shapes


def by_token(shapes: Shapes) -> Shapes:
    """Return products of tokens with a matrix each, as experts have them, as those of one row."""
    found: Shapes = Counter()
    for (m, k, n), times in shapes.items():
        found[(1, k, m) if n == 1 else (m, k, n)] += times
    return found


def shapes_of(graph: OperatorGraph) -> Shapes:
    found: Shapes = Counter()
    for p in graph.forward():
        expert = p.name.startswith("experts'")
        found[1 if expert else p.m, p.k, p.n] += p.count * (p.m if expert else 1)
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("new", [CONTEXT, 1, 3])
def test_products_are_those_of_hugging_face(family: str, new: int, tmp_path: Path) -> None:
    model, architecture = built(family, tmp_path)
    phase = "prefill" if new == CONTEXT else "decode"
    workload = Workload(model=architecture, phase=phase, context=CONTEXT, new=new, batch=BATCH)
    assert by_token(dispatched(model, new)) == shapes_of(operator_graph(workload))


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3_text", "gpt2", "opt"])
def test_those_of_a_training_step_too(family: str, tmp_path: Path) -> None:
    model, architecture = built(family, tmp_path)
    tokens = torch.zeros(BATCH, CONTEXT, dtype=torch.long, device="meta")
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)  # without one a mask is made of data
    with Products() as seen:
        model(tokens, labels=tokens, past_key_values=cache, use_cache=True).loss.backward()
    workload = Workload(model=architecture, phase="training", context=CONTEXT, batch=BATCH)
    graph = operator_graph(workload)
    expected = shapes_of(graph)
    for p in graph.backward(eager=True):
        expected[p.m, p.k, p.n] += p.count
    # PyTorch makes some gradients as the transposed product, of n x m
    assert unordered(seen.shapes) == unordered(expected)


def unordered(shapes: Shapes) -> Shapes:
    found: Shapes = Counter()
    for (m, k, n), times in shapes.items():
        found[min(m, n), k, max(m, n)] += times
    return found


def test_the_comparison_sees_a_missing_product(tmp_path: Path) -> None:
    model, architecture = built("llama", tmp_path)
    workload = Workload(model=architecture, phase="prefill", context=CONTEXT, batch=BATCH)
    found = shapes_of(operator_graph(workload))
    found[BATCH * CONTEXT, 96, 64] -= 1  # a layer's down
    assert by_token(dispatched(model, CONTEXT)) != found


@pytest.mark.parametrize(
    ("new", "context", "window"), [(5, 5, 0), (1, 7, 0), (3, 9, 0), (6, 6, 2), (3, 9, 4), (4, 6, 5)]
)
def test_seen_scores_are_those_of_the_mask(new: int, context: int, window: int) -> None:
    query = torch.arange(context - new, context)[:, None]
    key = torch.arange(context)[None]
    mask = (key <= query) & ((key > query - window) if window else True)
    assert seen_scores(new, context, window, causal=True) == int(mask.sum())


def test_a_cache_has_the_elements_that_hugging_face_keeps(tmp_path: Path) -> None:
    from transformers import DynamicCache

    for family in ("llama", "mistral", "gemma3_text", "gpt2"):
        model, architecture = built(family, tmp_path)
        cache = DynamicCache(config=model.config)
        tokens = torch.zeros(BATCH, CONTEXT, dtype=torch.long, device="meta")
        with torch.no_grad():
            model(tokens, past_key_values=cache, use_cache=True)
        kept = sum(layer.keys.numel() + layer.values.numel() for layer in cache.layers)
        # the graph counts what the next token meets: of a window one more than is kept for it
        graph = operator_graph(
            Workload(model=architecture, phase="decode", context=CONTEXT + 1, batch=BATCH)
        )
        own = sum(o.layers * o.batch * o.cached for o in graph.attention)
        assert graph.kv_cache_elements - own == kept


def test_llama_7b_reads_the_weights_that_it_has_but_for_the_embedding() -> None:
    model = find_model("llama-7b")
    graph = operator_graph(Workload(model=model, phase="decode", context=4096))
    assert graph.weights == 6_738_415_616 - 32_000 * 4096 - (2 * 32 + 1) * 4096
    assert graph.kv_cache_elements == 2 * 32 * 4096 * 4096


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"phase": "train"}, "phase must be one of prefill, decode, training, not 'train'"),
        ({"context": 0}, "context must be an integer of 1 or more, not 0"),
        ({"phase": "decode", "new": 9}, "new must be at most the context of 8, not 9"),
        ({"model": find_model("gpt2"), "context": 2000}, "context must be at most 1024"),
        ({"model": find_model("roberta-base"), "phase": "decode"}, "encoder"),
    ],
)
def test_what_is_no_workload_is_refused(fields: dict[str, Any], words: str) -> None:
    usual: dict[str, Any] = {"model": find_model("llama-7b"), "phase": "prefill", "context": 8}
    with pytest.raises(UserError, match=words):
        Workload(**usual | fields)
