"""Perplexity of the language model with a unit in it, on a short passage."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from consilico.sim.accuracy import accuracy as measured
from consilico.sim.accuracy import texts
from consilico.sim.accuracy.accuracy import accuracy
from consilico.sim.accuracy.texts import Passage, find_text, windows
from consilico.sim.base.errors import UserError
from consilico.sim.traffic.packages import PackageMissing
from consilico.sim.traffic.transformer import perplexity

TOKENS = 64


@pytest.fixture(scope="module", autouse=True)
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Predict 64 tokens in place of 2,048, with a cache of these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONSILICO_CACHE", str(tmp_path_factory.mktemp("cache")))
        for module in (measured, texts):
            patch.setattr(module, "PASSAGE", TOKENS)
        try:
            measured._model()
        except PackageMissing as missing:
            pytest.skip(str(missing))
        yield


def test_a_coarse_p_costs_more_than_a_fine_one_and_that_next_to_nothing() -> None:
    fine, coarse = (accuracy("softmax", form, TOKENS) for form in ("2xint7", "int7"))
    assert fine.baseline == coarse.baseline
    assert abs(fine.change_pct) < 2
    assert abs(fine.change_pct) < coarse.change_pct
    assert fine.moved < coarse.moved
    assert len(fine.layers) == 30
    assert fine.text == "King Henry IV, Part 2"
    assert fine.predicted == TOKENS


def test_the_baseline_is_the_perplexity_of_the_model() -> None:
    found = accuracy("exact", "bf16", TOKENS)
    model = measured._model()
    given, following = windows(find_text(None), model.tokenizer, TOKENS)
    tokens = torch.cat([given, following[:, -1:]], dim=1)
    assert found.baseline == pytest.approx(perplexity(model.transformer, tokens), rel=1e-4)


def test_an_answer_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    first = accuracy("sole", "uint8", TOKENS)
    monkeypatch.setattr(measured, "_measured", lambda *arguments: pytest.fail("measured again"))
    assert accuracy("sole", "uint8", TOKENS) == first


def test_the_same_tokens_are_predicted_in_windows_of_any_length() -> None:
    tokenizer = measured._model().tokenizer
    passage = find_text("sonnets")
    whole, parts = (windows(passage, tokenizer, tokens) for tokens in (TOKENS, 16))
    assert parts[0].shape == (4, 16)
    assert torch.equal(whole[1].flatten(), parts[1].flatten())
    assert torch.equal(whole[0][0, 1:], whole[1][0, :-1])


def test_a_file_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("A short story.\n")
    assert find_text(str(path)) == Passage(name="own.txt", text="A short story.\n")
    with pytest.raises(UserError, match=r"own\.txt has \d tokens, 65 are needed"):
        accuracy("softmax", "uint8", TOKENS, str(path))


@pytest.mark.parametrize(
    ("tokens", "text", "words"),
    [
        (8, None, "tokens must be from 16 to 4,096, not 8"),
        (8192, None, "not 8,192"),
        (64, "Faust", "text must be the path of a file or the title of a work such as King"),
    ],
)
def test_what_is_not_accepted_is_named(tokens: int, text: str | None, words: str) -> None:
    with pytest.raises(UserError, match=words):
        accuracy("softmax", "uint8", tokens, text)


def test_weights_at_the_wrong_keys_show(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from consilico.sim.accuracy.drop_in import DropIn

    right = DropIn.weights
    monkeypatch.setattr(DropIn, "weights", lambda *arguments: right(*arguments)[:, ::-1].copy())
    found = accuracy("softmax", "2xint7", TOKENS)
    assert math.log(found.perplexity / found.baseline) > 0.5
    assert found.argmax_flips > 0.3
