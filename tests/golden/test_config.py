"""Configurations: checked when made, made from text, turned into JSON."""

from dataclasses import FrozenInstanceError, dataclass

import pytest

from consilico.golden.config import Config, choice, integer


@dataclass(frozen=True, kw_only=True)
class Example(Config):
    """One field of each sort."""

    lanes: int = integer(1, 1, 64, "results a cycle")
    output: str = choice("bf16", ("bf16", "fixed"), "format of a result")
    bits: int = choice(8, (8, 16), "width of a score")
    flush: bool = choice(False, (False, True), "whether small results become 0")


def test_the_defaults_are_accepted() -> None:
    assert Example().to_json() == {"lanes": 1, "output": "bf16", "bits": 8, "flush": False}


@pytest.mark.parametrize("lanes", [0, 65, -1, 2.0, "2", True, None])
def test_a_value_that_is_no_integer_in_range_is_refused_by_name(lanes: object) -> None:
    with pytest.raises(ValueError, match=r"lanes must be an integer in \[1, 64\], not"):
        Example(lanes=lanes)  # type: ignore[arg-type] # what callers may get wrong


@pytest.mark.parametrize("lanes", [1, 64])
def test_the_ends_of_a_range_are_accepted(lanes: int) -> None:
    assert Example(lanes=lanes).lanes == lanes


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (("output", "fp8"), "output must be one of bf16, fixed, not 'fp8'"),
        (("bits", "9"), "bits must be one of 8, 16, not 9"),
        (("bits", "eight"), "bits must be one of 8, 16, not 'eight'"),
        (("flush", "maybe"), "flush must be one of False, True, not 'maybe'"),
        (("lanes", "1.5"), r"lanes must be an integer in \[1, 64\], not '1.5'"),
        (("lane", "1"), "unknown field 'lane'; accepted: lanes, output, bits, flush"),
    ],
)
def test_text_that_is_not_accepted_names_what_would_be(
    setting: tuple[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Example.from_text([setting])


def test_text_becomes_values_of_the_field_s_type() -> None:
    config = Example.from_text(
        [("lanes", "16"), ("bits", "16"), ("output", "fixed"), ("flush", "True")]
    )
    assert config == Example(lanes=16, bits=16, output="fixed", flush=True)
    assert type(config.flush) is bool


def test_a_field_that_is_set_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="lanes is given twice; accepted: once"):
        Example.from_text([("lanes", "2"), ("lanes", "4")])


def test_a_configuration_cannot_be_changed() -> None:
    config = Example()
    with pytest.raises(FrozenInstanceError):
        config.lanes = 2  # type: ignore[misc] # the point of the test
