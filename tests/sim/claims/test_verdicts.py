"""A verdict follows from which definitions meet the figure, and from nothing else."""

from pathlib import Path

import pytest

from consilico.sim.claims.catalogue import find_claims
from consilico.sim.claims.check import CheckedClaim, CheckedCondition, check_claims, verdict
from consilico.sim.claims.claim import read_claims
from consilico.sim.claims.figure import FORMS, UNITS, ClaimLimit, Figure
from tests.sim.claims.test_claim_files import RIGHT, file_of


def limit(bound: str, published: float = 10.0, tolerance: float = 1.0) -> ClaimLimit:
    return ClaimLimit(published=published, unit="GB", bound=bound, tolerance=tolerance)


@pytest.mark.parametrize(
    ("bound", "low", "high", "met"),
    [
        ("equal", 9.5, 10.5, True), ("equal", 8.0, 8.9, False), ("equal", 11.1, 12.0, False),
        ("equal", 8.5, 9.5, None), ("equal", 8.0, 12.0, None),
        ("at most", 1.0, 11.0, True), ("at most", 11.1, 12.0, False), ("at most", 9.0, 12.0, None),
        ("at least", 9.0, 99.0, True), ("at least", 1.0, 8.9, False), ("at least", 8, 10, None),
        ("up to", 9.0, 99.0, True), ("up to", 1.0, 8.9, False),
    ],
)  # fmt: skip
def test_a_figure_meets_a_limit_misses_it_or_leaves_it_open(
    bound: str, low: float, high: float, met: bool | None
) -> None:
    assert limit(bound).met(Figure(value=(low + high) / 2, low=low, high=high)) is met


def condition(met: bool | None, given: str = "it is so", why: str = "") -> CheckedCondition:
    figure = None if why else Figure(value=1.0, low=1.0, high=1.0)
    return CheckedCondition(
        given=given, kind="memory", measured=figure, met=met, why=why, command=""
    )


YES, NO = condition(True), condition(False, "it is other")
OPEN = condition(None, "a GPU runs it", "there is none")


@pytest.mark.parametrize(
    ("conditions", "word", "why"),
    [
        ([YES, YES], "supported", "if it is so (1); if it is so (1)"),
        ([YES, NO], "conditional", "only if it is so (1); not if it is other (1)"),
        ([YES, OPEN], "conditional", "only if it is so (1); open if a GPU runs it: there is none"),
        ([NO, NO], "not supported", "not if it is other (1); not if it is other (1)"),
        ([NO, OPEN], "not checkable",
         "open if a GPU runs it: there is none; not if it is other (1)"),
        ([OPEN, condition(None, "two GPUs do", "there is none")], "not checkable",
         "open if a GPU runs it, or if two GPUs do: there is none"),
        ([condition(None, "", "it needs training")], "not checkable", "it needs training"),
    ],
)  # fmt: skip
def test_a_verdict_says_which_definitions_it_follows_from(
    conditions: list[CheckedCondition], word: str, why: str
) -> None:
    assert verdict(conditions) == (word, why)


def checked(text: str, folder: Path) -> CheckedClaim:
    (claim,) = check_claims(read_claims(file_of(folder, text)))
    return claim


def test_a_wrong_figure_is_not_supported(tmp_path: Path) -> None:
    right, wrong = checked(RIGHT, tmp_path), checked(RIGHT.replace("= 50", "= 60"), tmp_path)
    assert right.verdict == "supported"
    assert wrong.verdict == "not supported"
    assert right.measured == wrong.measured
    assert right.measured is not None
    assert right.measured.value == pytest.approx(50, abs=1)


def test_an_answer_goes_through_json_and_comes_back() -> None:
    for claim in check_claims(find_claims(["q-galore/7b-in-16gb", "lost", "consmax-v1"])):
        data = claim.to_json()
        assert CheckedClaim.from_json(data) == claim
        assert list(data)[:2] == ["claim", "paper"]


def test_progress_counts_claims(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    claims = find_claims(["lost", "cast"])
    check_claims(claims, lambda label, done, total: seen.append((done, total)))
    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_a_figure_may_be_negative_and_keeps_its_order() -> None:
    from consilico.sim.base.interval import Interval

    more, less = Interval(4.0, 3.0, 5.0), Interval(2.0, 1.0, 2.5)
    found = {form: Figure.of(more, less, form, UNITS["x"]) for form in FORMS if form != "amount"}
    assert found["less"] == Figure(value=-2.0, low=-4.0, high=-0.5)
    assert found["times less"] == Figure(value=0.5, low=0.2, high=2.5 / 3)
    assert found["share"] == Figure(value=2.0, low=1.2, high=5.0)
    assert found["saving"] == Figure(value=-1.0, low=-4.0, high=1 - 1.2)
    with pytest.raises(ValueError, match=r"^a figure needs low <= value <= high"):
        Figure(value=1.0, low=2.0, high=3.0)
