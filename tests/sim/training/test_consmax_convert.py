"""Converting a pretrained model to ConSmax, on one of kilobytes, and SmolLM2 itself."""

import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor

from consilico.golden.attention.consmax_module import ConSmax
from consilico.golden.training.method import METHODS
from consilico.sim.base.errors import UserError
from consilico.sim.base.results import cache_dir
from consilico.sim.traffic.gpt_training import GptConfig, GptTraining, split_works
from consilico.sim.traffic.packages import PackageMissing
from consilico.sim.traffic.smollm import GgufModel, Int4Weight, ModelShape, build_tokenizer
from consilico.sim.traffic.transformer import Transformer, causal_softmax
from consilico.sim.training import consmax_convert as convert
from consilico.sim.training import consmax_measure as bench
from consilico.sim.training.consmax_convert import Conversion, NormalizedSmolLM, fit
from consilico.sim.training.consmax_formats import FORMATS
from consilico.sim.training.consmax_gpt import KINDS
from consilico.sim.training.consmax_run import Stopped, held_out_loss, held_out_windows, train
from consilico.sim.training.consmax_table import read_consmax_table

WIDTH, HEADS, KV_HEADS, LAYERS, HIDDEN, CONTEXT = 32, 4, 2, 2, 64, 16
WORKS = {
    "A": "to be or not to be, that is the question. " * 40,
    "B": "whether \u2019tis nobler " * 60,
}
ALPHABET = sorted(ByteLevel.alphabet())
WINDOWS = torch.randint(256, (6, CONTEXT + 1), generator=torch.Generator().manual_seed(1))
CONSMAX = [kind for kind in KINDS if kind != "softmax"]


def tiny_model() -> GgufModel:
    """Return a random model of the architecture, its tokens the 256 bytes."""
    rng = np.random.default_rng(1)

    def floats(*shape: int, scale: float) -> np.ndarray:
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    matrices = {
        "attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH // 2, WIDTH), "attn_v": (WIDTH // 2, WIDTH),
        "attn_output": (WIDTH, WIDTH), "ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH),
        "ffn_down": (WIDTH, HIDDEN),
    }  # fmt: skip
    weights = {"token_embd.weight": floats(256, WIDTH, scale=0.5)}
    int4 = {}
    for layer in range(LAYERS):
        for name, shape in matrices.items():
            weights[f"blk.{layer}.{name}.weight"] = floats(*shape, scale=0.3)
        for name in ("attn_norm", "ffn_norm"):
            weights[f"blk.{layer}.{name}.weight"] = 1 + floats(WIDTH, scale=0.1)
        blocks = rng.integers(0, 16, (WIDTH, WIDTH)).astype(np.uint8)
        int4[f"blk.{layer}.attn_q.weight"] = Int4Weight(
            nibbles=blocks,
            scale=np.full((WIDTH, 1), 0.1, np.float16),
            minimum=np.full((WIDTH, 1), -0.75, np.float16),
        )
        del weights[f"blk.{layer}.attn_q.weight"]
    return GgufModel(
        name="tiny",
        shape=ModelShape(
            layers=LAYERS, width=WIDTH, heads=HEADS, kv_heads=KV_HEADS,
            head_width=WIDTH // HEADS, rope_base=10_000.0, norm_epsilon=1e-5,
        ),
        metadata={
            "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm",
            "tokenizer.ggml.tokens": ALPHABET, "tokenizer.ggml.merges": [],
            "tokenizer.ggml.token_type": [1] * 256,
        },
        int4=int4,
        floats=weights | {"output_norm.weight": 1 + floats(WIDTH, scale=0.1)},
    )  # fmt: skip


TINY = tiny_model()
TEXT = convert.tokenized(split_works(WORKS), build_tokenizer(TINY.metadata))
GPT = GptTraining(
    method=METHODS["adamw"], lr=1e-2, fused=False, steps=12, batch=2, warm_up=2,
    model=GptConfig(layers=LAYERS, heads=HEADS, width=WIDTH, context=CONTEXT),
)  # fmt: skip


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Let the package have the tiny model, but for the test of the real one."""
    if "exhaustive" not in request.keywords:
        monkeypatch.setattr(convert, "pretrained", lambda: TINY)


def conversion(kind: str) -> Conversion:
    """Return a conversion of 12 steps."""
    return Conversion(gpt=GPT, kind=kind, passage=64)


def constants(model: NormalizedSmolLM, layer: int) -> ConSmax:
    """Return the constants of a layer."""
    return cast(ConSmax, model.constants[layer])


def test_logits_are_those_of_the_transformer() -> None:
    ours, tokens = NormalizedSmolLM(TINY, "softmax"), WINDOWS[:, :-1]
    expected = Transformer(TINY).logits(tokens)
    torch.testing.assert_close(ours(tokens), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours(tokens, causal_softmax), expected, atol=1e-4, rtol=1e-4)
    weight = ours.body["1/attn_k"]
    with torch.no_grad():
        weight.mul_(1.01)
    assert not torch.allclose(ours(tokens), expected, atol=1e-2)


@pytest.mark.exhaustive
def test_logits_of_smollm_are_those_of_the_transformer() -> None:
    try:
        model = convert.pretrained()
    except PackageMissing as missing:
        pytest.skip(str(missing))
    tokens = torch.randint(49152, (1, 32), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = NormalizedSmolLM(model, "softmax")(tokens)
    torch.testing.assert_close(found, Transformer(model).logits(tokens), atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_all_weights_and_constants_have_gradients(kind: str) -> None:
    model = NormalizedSmolLM(TINY, kind)
    fit(model, WINDOWS)
    torch.nn.functional.cross_entropy(
        model(WINDOWS[:, :-1]).flatten(0, 1), WINDOWS[:, 1:].flatten()
    ).backward()  # type: ignore[no-untyped-call]
    gradients = {name: value.grad for name, value in model.named_parameters()}
    assert len(gradients) == len(TINY.int4) + len(TINY.floats) + 2 * LAYERS * (kind != "softmax")
    assert all(each is not None and each.abs().max() > 0 for each in gradients.values())


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_a_model_is_computed_where_its_weights_are(kind: str) -> None:
    model = NormalizedSmolLM(TINY, kind).to("meta")  # refuses a tensor of another device
    assert model(WINDOWS[:, :-1].to("meta")).device.type == "meta"
    assert model(WINDOWS[:, :-1].to("meta"), model.weights).device.type == "meta"


def rows_of(kind: str, model: NormalizedSmolLM) -> dict[int, tuple[Tensor, Tensor]]:
    """Return softmax's weights and those of the constants under the same scores, by layer."""
    seen: dict[int, tuple[Tensor, Tensor]] = {}

    def noted(layer: int, scores: Tensor) -> Tensor:
        softmax = causal_softmax(layer, scores)
        seen[layer] = (softmax, model.weights(layer, scores))
        return softmax

    held_out_loss(model, WINDOWS, noted)
    return seen


@pytest.mark.parametrize("kind", CONSMAX)
def test_no_other_constant_is_nearer_to_softmax(kind: str) -> None:
    model = NormalizedSmolLM(TINY, kind)
    model.ceiling = math.inf  # saturation is no part of what is fitted
    fit(model, WINDOWS)
    for softmax, weights in rows_of(kind, model).values():
        distances = [
            (softmax - factor * weights).square().sum((0, 2, 3)) for factor in (0.98, 1.0, 1.02)
        ]
        assert (distances[1] < distances[0]).all()
        assert (distances[1] < distances[2]).all()


@pytest.mark.parametrize("kind", CONSMAX)
def test_where_scores_say_nothing_row_sums_are_softmax_s_in_the_mean(kind: str) -> None:
    model = NormalizedSmolLM(TINY, kind)
    with torch.no_grad():
        for layer in range(LAYERS):
            model.body[f"{layer}/attn_q"].zero_()
    fit(model, WINDOWS)
    for softmax, weights in rows_of(kind, model).values():
        torch.testing.assert_close(weights.sum(-1).mean(), torch.tensor(1.0))
        if kind == "consmax_rows":
            torch.testing.assert_close(weights, softmax)


@pytest.mark.parametrize("kind", CONSMAX)
def test_beta_is_the_mean_of_the_maxima(kind: str) -> None:
    model = NormalizedSmolLM(TINY, kind)
    fit(model, WINDOWS)
    found: dict[int, Tensor] = {}

    def noted(layer: int, scores: Tensor) -> Tensor:
        future = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).triu(1)
        found[layer] = scores.masked_fill(future, -math.inf).amax(-1).mean((0, 2))
        return causal_softmax(layer, scores)

    held_out_loss(model, WINDOWS, noted)
    for layer in range(LAYERS):
        torch.testing.assert_close(constants(model, layer).beta.detach(), found[layer])


def test_weights_saturate_at_1() -> None:
    model = NormalizedSmolLM(TINY, "consmax")
    fit(model, WINDOWS)
    assert model.weights(0, torch.full((1, HEADS, CONTEXT, CONTEXT), 300.0)).max() == 1


def test_a_character_that_a_cut_has_split_is_left_out() -> None:
    raw = split_works({"A": "\u2019" * 90})  # three bytes each
    text = convert.tokenized(raw, build_tokenizer(TINY.metadata))
    assert (len(raw.train), len(raw.held_out)) == (256, 14)
    assert (len(text.train), len(text.held_out)) == (255, 12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_conversion_ends_as_one_that_was_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "whole"))
    whole = train(conversion(kind), TEXT, 1, "cpu")
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "parts"))
    for _ in range(2):
        with pytest.raises(Stopped):
            train(conversion(kind), TEXT, 1, "cpu", stop=lambda: True)
    parts = train(conversion(kind), TEXT, 1, "cpu")
    assert parts.training_loss == whole.training_loss
    found = parts.model.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in whole.model.state_dict().items())
    assert len(list(cache_dir("consmax").iterdir())) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns(kind: str, cache: Path) -> None:
    run = conversion(kind)
    windows = held_out_windows(TEXT, CONTEXT)
    before = held_out_loss(run.start(TEXT.train), windows)
    assert held_out_loss(train(run, TEXT, 1, "cpu").model, windows) < before - 1


def test_a_model_of_another_shape_is_refused() -> None:
    run = replace(conversion("softmax"), gpt=replace(GPT, model=GptConfig(context=CONTEXT)))
    with pytest.raises(UserError, match=r"has the shape .*layers=2, heads=4, width=32"):
        run.start(TEXT.train)


def test_the_table_has_what_was_converted(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "table.json"
    monkeypatch.setattr(bench, "CONVERSIONS", {"smollm2": replace(conversion(""), held_out=3)})
    monkeypatch.setattr(bench, "load_works", lambda: WORKS)
    monkeypatch.setattr(bench, "model_provenance", lambda: {"name": "tiny"})
    command = ["--sizes", "smollm2", "--device", "cpu", "--table", str(table)]
    assert bench.main(command) == 0
    rows = read_consmax_table(table).conversions
    assert [row.key for row in rows] == [("smollm2", kind, 1) for kind in sorted(KINDS)]
    for row in rows:
        assert row.loss < row.before - 1
        assert (row.unsaturated == row.before) == (row.normalizer == "softmax")
        assert (row.held_out_tokens, row.passage_tokens) == (3 * CONTEXT, 64)
        assert [each.p_format for each in row.formats] == list(FORMATS)
        assert row.format_loss("2xint7").loss == pytest.approx(row.passage_loss, abs=0.1)
        assert row.model == {"name": "tiny"}
        assert {"gguf", "numpy", "python", "tokenizers", "torch"} == set(row.versions)
    monkeypatch.setattr(bench, "train", None)
    before = table.read_text()
    assert bench.main(command) == 0
    assert table.read_text() == before


def test_conversions_of_the_checked_in_table_are_those_of_the_study() -> None:
    known = {case.key: case for case in bench.conversions()}
    for row in read_consmax_table().conversions:
        assert row.settings == bench._settings(known[row.key])
