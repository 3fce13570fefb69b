"""The language model from its package: weights, tokenizer, forward pass."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from consilico.sim.base.errors import UserError
from consilico.sim.traffic import transformer
from consilico.sim.traffic.packages import PackageMissing
from consilico.sim.traffic.smollm import (
    Int4Weight,
    SmolLM,
    build_tokenizer,
    find_model_file,
    load_smollm,
    read_model,
)

PROSE = """\
The old harbour had been quiet for most of the winter, and the few boats that still went out \
came back before dark. In the mornings the fishermen stood together near the wall and talked \
about the price of fuel, the weather, and the children who had moved away to the city. Nobody \
expected the ferry to return. When the first letter came from the company, the postman carried \
it straight to the office of the mayor, who read it twice and then put it in a drawer. He was a \
careful man, and he did not want to give people hope before he was certain. For two weeks he \
said nothing at all. Then, on a Sunday evening, he told his wife, and by Monday the whole town \
knew. The shopkeeper ordered new paint for his sign. The school teacher asked her class to draw \
pictures of the ship. Even the old captain, who had not left his house since the autumn, was \
seen walking slowly along the pier with his stick, looking out over the grey water."""

# What the tokenizer published with SmolLM2 gives for these texts
KNOWN = {
    "Hello, world!": [19556, 28, 905, 17],
    "What is the capital of France?": [1780, 314, 260, 3575, 282, 4649, 47],
    "123 abc": [33, 34, 35, 43239],
    "I'm CAN'T don't": [57, 5248, 27190, 23, 68, 1326, 982],
    "  spaced  text\n": [216, 23861, 216, 1694, 198],
    "<|im_start|>user\nHello": [1, 4093, 198, 19556],
}


@pytest.fixture(scope="module")
def smollm() -> SmolLM:
    try:
        return load_smollm()
    except PackageMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def prose(smollm: SmolLM) -> Tensor:
    return torch.tensor([smollm.tokenizer.encode(PROSE).ids])


def test_shape_is_the_published_one(smollm: SmolLM) -> None:
    shape = smollm.gguf.shape
    assert (shape.layers, shape.width, shape.heads, shape.kv_heads) == (30, 576, 9, 3)
    assert shape.rope_base == 100_000


def test_int4_weights_equal_those_of_the_gguf_package(smollm: SmolLM) -> None:
    from gguf import GGUFReader
    from gguf.quants import dequantize

    tensors = {t.name: t for t in GGUFReader(find_model_file()[0]).tensors}
    for name in ("blk.0.attn_q.weight", "blk.29.ffn_down.weight"):
        tensor = tensors[name]
        expected = dequantize(tensor.data, tensor.tensor_type)
        assert smollm.gguf.int4[name].nibbles.max() == 15
        np.testing.assert_array_equal(smollm.gguf.weight(name), expected)


def test_int4_block_keeps_nibbles_scale_and_minimum() -> None:
    constants = np.array([0.5, -2.0], dtype="<f2").view(np.uint8)
    raw = np.concatenate([constants, np.arange(16) | (15 - np.arange(16)) << 4]).astype(np.uint8)
    weight = Int4Weight.from_blocks(raw[None])
    assert weight.nibbles[0].tolist() == [*range(16), *range(15, -1, -1)]
    assert weight.dequantize()[0, [0, 15, 31]].tolist() == [-2.0, 5.5, -2.0]


def test_a_file_that_is_not_the_packaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    with pytest.raises(UserError, match=r"model\.gguf has SHA-256 .*reinstall"):
        read_model(path, "0" * 64)


@pytest.mark.parametrize("text", KNOWN)
def test_known_tokens(smollm: SmolLM, text: str) -> None:
    assert smollm.tokenizer.encode(text).ids == KNOWN[text]


@pytest.mark.parametrize("text", [PROSE, "Café déjà vu: 世界 🚀\n\tin 2024,  'tis 1,234.5!"])
def test_tokens_decode_to_the_text(smollm: SmolLM, text: str) -> None:
    assert smollm.tokenizer.decode(smollm.tokenizer.encode(text).ids) == text


def test_another_kind_of_tokenizer_is_refused() -> None:
    with pytest.raises(UserError, match="must be gpt2 / smollm, not llama / default"):
        build_tokenizer({"tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "default"})


def test_perplexity_is_that_of_a_working_model(smollm: SmolLM, prose: Tensor) -> None:
    assert 15 < transformer.perplexity(smollm.transformer, prose) < 40


def test_perplexity_shows_a_wrong_rotary_pairing(
    smollm: SmolLM, prose: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def halves(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)

    monkeypatch.setattr(transformer, "rotate", halves)
    assert transformer.perplexity(smollm.transformer, prose) > 80


def test_perplexity_shows_swapped_nibbles(smollm: SmolLM, prose: Tensor) -> None:
    name = "blk.3.ffn_gate.weight"
    weights = smollm.transformer._weights
    right = weights[name]
    swapped = right.view(1536, 18, 2, 16).flip(2).reshape(right.shape)
    sound = transformer.perplexity(smollm.transformer, prose)
    weights[name] = swapped
    try:
        assert transformer.perplexity(smollm.transformer, prose) > 1.05 * sound
    finally:
        weights[name] = right


def test_later_tokens_do_not_reach_earlier_ones(smollm: SmolLM, prose: Tensor) -> None:
    changed = prose[:, :24].clone()
    changed[:, 16:] = 0
    before = smollm.transformer.hidden(prose[:, :24])
    after = smollm.transformer.hidden(changed)
    torch.testing.assert_close(after[:, :16], before[:, :16])
    assert not torch.allclose(after[:, 16:], before[:, 16:], atol=0.1)


def test_hook_sees_the_scaled_scores_of_every_head(smollm: SmolLM, prose: Tensor) -> None:
    seen: dict[int, Tensor] = {}
    tokens = prose[:, :12]
    smollm.transformer.hidden(tokens, lambda layer, scores: seen.update({layer: scores}))
    assert sorted(seen) == list(range(30))

    x = smollm.gguf.weight("token_embd.weight")[tokens[0].numpy()].astype(np.float64)
    x = x / np.sqrt((x**2).mean(1, keepdims=True) + smollm.gguf.shape.norm_epsilon)
    x = x * smollm.gguf.weight("blk.0.attn_norm.weight")
    turns = np.outer(np.arange(12), 100_000.0 ** (-np.arange(32) / 32))

    def rotated(name: str, heads: int) -> np.ndarray[tuple[int, ...], np.dtype[np.complex128]]:
        y = x @ smollm.gguf.weight(f"blk.0.attn_{name}.weight").T.astype(np.float64)
        pairs = y.reshape(12, heads, 32, 2).transpose(1, 0, 2, 3)
        turned: np.ndarray[tuple[int, ...], np.dtype[np.complex128]] = (
            pairs[..., 0] + 1j * pairs[..., 1]
        ) * np.exp(1j * turns)
        return turned

    queries, keys = rotated("q", 9), rotated("k", 3)
    for head in range(9):
        expected = (queries[head] @ keys[head // 3].conj().T).real / 8
        np.testing.assert_allclose(seen[0][0, head].numpy(), expected, atol=1e-3)
