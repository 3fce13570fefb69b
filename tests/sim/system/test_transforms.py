"""Ways to compute less: what they count, what they gain in cycles, and what is refused."""

from typing import Any

import pytest

import consilico
from consilico.sim.base.errors import UserError
from consilico.sim.memory.presets import find_model
from consilico.sim.system.answer import SystemAnswer
from consilico.sim.system.transforms import Effect

MODEL = find_model("llama-60m")  # 8 layers of 512, MLPs of 1,376, a vocabulary of 32,000
H, FF, LAYERS = MODEL.hidden, 1376, len(MODEL.pattern)
BLOCK = 4 * H * H + 3 * H * FF
HEAD = H * MODEL.vocab
SCORES = 2 * H  # multiply-accumulates of attention for each key and layer
CONTEXT = 128


def answer(*transforms: str, **fields: Any) -> SystemAnswer:
    own = {
        name: fields.pop(name) for name in ("phase", "batch", "context", "model") if name in fields
    }
    chip = consilico.chip(**fields)
    given: dict[str, Any] = {"context": CONTEXT} | own
    return consilico.system(given.pop("model", "llama-60m"), chip, transforms=transforms, **given)


def only(*transforms: str, **fields: Any) -> Effect:
    (effect,) = answer(*transforms, **fields).effects
    return effect


def macs(block: float, head: float = HEAD, scores: float = SCORES) -> float:
    """Return the multiply-accumulates of a token."""
    return LAYERS * (block + scores * CONTEXT) + head


def test_skipped_blocks_leave_their_products_and_bytes() -> None:
    effect = only("ffn-skip:0.25")
    left = BLOCK - 3 * H * FF / 4
    assert effect.kind == "counts only"
    assert effect.macs_ratio == pytest.approx(macs(left) / macs(BLOCK))
    assert effect.weight_bytes_ratio == pytest.approx(
        (LAYERS * left + HEAD) / (LAYERS * BLOCK + HEAD)
    )
    assert effect.latency_ratio < 1
    assert effect.notes[0] == f"{LAYERS // 4} of {LAYERS} blocks are skipped"


def test_of_a_batch_only_blocks_that_all_skip_are_left_out() -> None:
    one, two = only("ffn-skip:0.5", batch=1), only("ffn-skip:0.5", batch=2)
    many = only("ffn-skip:0.5", batch=16)
    assert 1 - two.weight_bytes_ratio == pytest.approx((1 - one.weight_bytes_ratio) / 2)
    assert many.weight_bytes_ratio == 1
    assert many.latency_ratio >= 1  # similarities are computed all the same


def test_the_similarity_is_paid_for() -> None:
    found = answer("ffn-skip:0")
    cosine = next(o.work for o in found.operators if o.work.name == "residuals, similarity")
    assert cosine.operations["float operation"] == 3 * H * LAYERS
    assert found.effects[0].weight_bytes_ratio == 1


def test_a_prompt_needs_a_gather_to_skip() -> None:
    effect = only("ffn-skip:0.25", phase="prefill")
    assert effect.kind == "hardware that is not there"
    assert "gather" in effect.needs
    assert (effect.latency_ratio, effect.energy_ratio, effect.weight_bytes_ratio) == (1, 1, 1)
    assert effect.macs_ratio < 1


def test_factors_take_the_place_of_matrices() -> None:
    rank = 100
    effect = only("welore:100")
    left = 4 * rank * 2 * H + 3 * rank * (H + FF)
    assert effect.kind == "counts only"
    assert effect.macs_ratio == pytest.approx(macs(left) / macs(BLOCK))
    assert effect.notes == (
        "21.9% of the columns of arrays for first factors are padding",  # 100 of 128
    )


def test_padding_of_a_rank_costs_cycles() -> None:
    """On arrays of 64 columns 65 take as long as 128."""
    times = {
        rank: answer(f"welore:{rank}", phase="prefill", gemv_lanes=0, lanes=1 << 20, tiles=1)
        for rank in (64, 65, 128)
    }
    cycles = {
        rank: next(o.work.cycles for o in found.operators if o.work.name == "query, first factor")
        for rank, found in times.items()
    }
    assert cycles[64].value < cycles[65].value <= cycles[128].value


def test_matrices_that_would_grow_stay_whole() -> None:
    effect = only(f"welore:{H}")
    assert effect.macs_ratio == effect.latency_ratio == 1
    assert effect.notes == (
        f"{7 * LAYERS} matrices of the blocks stay whole, as their factors would not be smaller",
    )


def test_each_layer_may_have_its_own_rank() -> None:
    ranks = [0] + [50] * (LAYERS - 1)
    found = answer("welore:" + ",".join(map(str, ranks)))
    left = 4 * 50 * 2 * H + 3 * 50 * (H + FF)
    expected = LAYERS * SCORES * CONTEXT + BLOCK + (LAYERS - 1) * left + HEAD
    assert found.effects[0].macs_ratio == pytest.approx(expected / macs(BLOCK))
    with pytest.raises(UserError, match=f"one for each of the {LAYERS} layers"):
        answer("welore:50,50")


def test_a_branch_adds_its_factors() -> None:
    effect = only("eora:32")
    branch = 4 * 32 * 2 * H + 3 * 32 * (H + FF)
    assert effect.kind == "hardware that is there"
    assert effect.macs_ratio == pytest.approx(macs(BLOCK + branch) / macs(BLOCK))
    assert effect.latency_ratio > 1


def test_two_of_four_is_the_format_of_weights() -> None:
    effect, same = only("2:4"), answer(weights="2:4")
    assert effect.weight_bytes_ratio == 0.625
    assert answer("2:4").latency_s == same.latency_s
    assert effect.macs_ratio == pytest.approx(macs(BLOCK / 2, HEAD / 2) / macs(BLOCK))
    without = only("2:4", gemv_lanes=0)
    assert without.latency_ratio == 1  # arrays multiply with the zeros
    assert effect.latency_ratio < 1
    assert "there are no arrays for 2:4" in effect.needs


def test_unstructured_zeros_gain_no_cycles() -> None:
    effect = only("owl:0.7")
    assert not effect.in_cycles
    assert effect.latency_ratio == effect.energy_ratio == 1
    assert "as 3:8" in effect.needs
    packed = LAYERS * BLOCK * (8 * 0.3 + 1) / 8 + HEAD
    assert effect.weight_bytes_ratio == pytest.approx(packed / (LAYERS * BLOCK + HEAD))
    assert effect.macs_ratio == pytest.approx(macs(0.3 * BLOCK) / macs(BLOCK))
    uneven = only("owl:" + ",".join(["0.5", "0.9"] * (LAYERS // 2)))
    assert "as 1:8 to 4:8" in uneven.needs
    assert uneven.macs_ratio == pytest.approx(effect.macs_ratio)


def test_sparse_and_low_rank_attention_is_counted() -> None:
    effect = only("scatterbrain:0.25,16")
    kept = CONTEXT / 4 * (SCORES + 16 * MODEL.kinds[0].attention.heads)
    features = 2 * 16 * 2 * H  # of queries and of keys, in keys and values
    assert not effect.in_cycles
    assert effect.macs_ratio == pytest.approx(
        (LAYERS * (BLOCK + kept + features) + HEAD) / macs(BLOCK)
    )


def test_transforms_follow_one_another() -> None:
    found = answer("ffn-skip:0.25", "2:4")
    first, second = found.effects
    assert second.weight_bytes_ratio == pytest.approx(0.625 * first.weight_bytes_ratio)
    assert second.latency_ratio < first.latency_ratio < 1
    ratio = found.latency_s.value / answer().latency_s.value
    assert second.latency_ratio == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("magic:3", r"transform must be one of ffn-skip \(the share"),
        ("ffn-skip", "transform ffn-skip takes the share of blocks skipped, such as 0.25, not ''"),
        ("ffn-skip:1.5", "takes the share"),
        ("ffn-skip:nan", "takes the share"),
        ("welore:0.5", "takes a rank, or one for each layer"),
        ("eora:1,2", "takes the rank of the branch, not '1,2'"),
        ("2:4:8", "transform 2:4 takes no arguments, not '8'"),
        ("owl:2", "takes a share of zeros"),
        ("owl:0.1,0.2", f"one for each of the {LAYERS} layers, not 2"),
        ("scatterbrain:2,64", "the share of scores that are kept"),
    ],
)
def test_what_is_not_accepted_names_what_is(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        answer(text)


def test_two_of_four_is_of_int8_weights() -> None:
    with pytest.raises(UserError, match="is of INT8 weights, not of int4-g128"):
        answer("2:4", weights="int4-g128")
