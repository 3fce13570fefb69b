"""A golden model of one's own takes the place of a unit's; what is wrong with it is said."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilico import configure, unit, verify_rtl
from consilico.cli import main
from consilico.sim.base.errors import UserError
from consilico.sim.rtlsim.foreign.own_model import read_model
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.stimulus import Kind
from tests.sim.rtlsim import toy

EXAMPLE = Path(__file__).resolve().parents[4] / "examples" / "own_design"
PRODUCT = "accepted.data['payload'] * accepted.in_force['payload']"


def written(folder: Path, body: str, name: str = "model") -> str:
    """Return what ``--golden`` takes for a file with a function of this body."""
    path = folder / "mine.py"
    path.write_text(f"import numpy as np\ndef {name}(config, accepted):\n    {body}\n")
    return f"{path}:{name}"


def accepted(*items: tuple[Kind, int]) -> Accepted:
    kind = np.array([each for each, _ in items], dtype=np.uint8)
    bits = np.array([[value] for _, value in items], dtype=np.uint8)
    return Accepted(kind, bits, toy.unit().layouts(toy.ToyConfig()))


FEW = (Kind.CONFIG, 3), (Kind.DATA, 5), (Kind.RESET, 0), (Kind.CONFIG, 7), (Kind.DATA, 9)


def results(text: str, items: tuple[tuple[Kind, int], ...] = FEW) -> GoldenResults:
    return read_model(text).golden(toy.unit(), toy.ToyConfig(), accepted(*items))


def test_a_function_of_fields_and_configuration_gives_the_results(tmp_path: Path) -> None:
    found = results(written(tmp_path, f"return {{'payload': {PRODUCT}}}"))
    assert found.beats["payload"].tolist() == [15, 63]


def test_the_beats_between_configurations_come_with_all_that_was_configured() -> None:
    items = (Kind.CONFIG, 3), (Kind.CONFIG, 4), (Kind.DATA, 5), (Kind.DATA, 6), *FEW[2:]
    found = [
        (beats, loads["payload"].tolist()) for beats, loads in accepted(*items).between_loads()
    ]
    assert found == [(slice(0, 2), [3, 4]), (slice(2, 3), [3, 4, 7])]


def test_a_file_may_import_what_lies_next_to_it(tmp_path: Path) -> None:
    (tmp_path / "helper_of_mine.py").write_text("FACTOR = 2\n")
    text = written(
        tmp_path, "import helper_of_mine as h; return {'payload': h.FACTOR * np.ones(2, int)}"
    )
    assert results(text).beats["payload"].tolist() == [2, 2]


def test_an_order_of_which_the_unit_promises_nothing_stays_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="before the first configuration"):
        results(written(tmp_path, "return {'payload': np.zeros(1, int)}"), (FEW[1],))


def test_a_function_is_not_asked_where_no_result_is_due(tmp_path: Path) -> None:
    assert results(written(tmp_path, "return 1 // 0"), FEW[:1]).beats["payload"].tolist() == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return [1]", r"returns list; accepted: a dictionary of the fields payload"),
        ("return {}", r"does not return the field 'payload'; accepted: payload"),
        ("return {'payload': np.ones(2, int), 'x': 1}", r"returns the field 'x'; accepted: payl"),
        ("return {'payload': np.ones(2)}", r"payload holds float64; accepted: integers"),
        ("return {'payload': np.ones((2, 1), int)}", r"has the shape \(2, 1\); accepted: \(2,\)"),
        ("return {'payload': [[1], [1, 2]]}", r"payload is no array: "),
        ("return {'payload': np.array([1, -1])}", r"payload is -1; accepted: 0 to 65535"),
        ("return {'payload': np.array([1, 65536])}", r"is 65536; accepted: 0 to 65535"),
        ("return 1 // 0", r"mine\.py:model: line 3: ZeroDivisionError: integer division"),
        ("return accepted.data['score']", r"line 3: KeyError: 'score'"),
    ],
)
def test_what_a_function_returns_is_checked(tmp_path: Path, body: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        results(written(tmp_path, body))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mine.py", "--golden takes FILE.py:FUNCTION, not 'mine.py'"),
        ("missing.py:f", "cannot read the golden model missing.py: No such file"),
        ("{mine}:other", "has no function 'other'; it has: model"),
        ("{mine}:np", "has no function 'np'"),
    ],
)
def test_what_is_no_function_of_a_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    mine = written(tmp_path, "return {}").rpartition(":")[0]
    with pytest.raises(UserError, match=says):
        read_model(text.format(mine=mine))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def f(:\n", r"mine\.py: line 1: SyntaxError: "),
        ("\nimport no_such_module_of_mine\n", r"mine\.py: line 2: ModuleNotFoundError: "),
        ("raise SystemExit(3)\n", r"mine\.py: line 1: SystemExit: 3"),
    ],
)
def test_a_file_that_fails_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match=says):
        read_model(f"{tmp_path / 'mine.py'}:f")


def test_points_that_an_own_model_never_gives_are_exempt_and_say_why(tmp_path: Path) -> None:
    def hits(config: Any, accepted: Accepted, results: GoldenResults) -> Counter[str]:
        return Counter(large=int((results.beats["payload"] > 9).sum()))

    given = replace(toy.unit(coverage=("zero", "large")), hits=hits)
    model = read_model(written(tmp_path, "return {'payload': np.ones(accepted.beats, int)}"))
    config = toy.ToyConfig(rounds=3)
    found = model.replacing(given, config, 1, exhaustive=False)
    assert found.exempt(config) == {"large": f"{model.source} gives no such result"}
    assert set(found.vectors(config, 1).expected[:, 0]) == {1}


DESIGN = (
    "module t (input clk, input [7:0] a, k, output [15:0] y); assign y = a * k + 1; endmodule\n"
)
MAPPING = (
    'clock = "clk"\n[input]\ndrive.a = "payload"\n[output]\nlatency_cycles = 0\n'
    'fields.payload = "y"\n[config]\nhold.k = "payload"\n'
)


@pytest.mark.parametrize(("more", "right"), [("+ 1", True), ("", False)])
def test_a_design_is_compared_with_the_own_model_instead_of_the_units(
    tmp_path: Path, more: str, right: bool
) -> None:
    (tmp_path / "t.v").write_text(DESIGN)
    (tmp_path / "map.toml").write_text(MAPPING)
    golden = written(tmp_path, f"return {{'payload': ({PRODUCT} {more}) & 65535}}")
    found = verify_rtl(
        [tmp_path / "t.v"], "t", toy.unit(), toy.ToyConfig(rounds=3),
        mapping=tmp_path / "map.toml", simulators=["icarus"], golden=golden,
    )  # fmt: skip
    assert found.passed is right, found.problems
    assert found.runs[0].checked > 100
    for failure in found.failures:
        assert f" --golden {golden} " in failure.replay


def test_the_example_gives_what_the_unit_gives() -> None:
    model = read_model(f"{EXAMPLE / 'model.py'}:consmax")
    split = unit("consmax/split")
    config = configure("consmax/split", output="fixed", fixed_width=7, fixed_fraction=7)
    stimulus = split.vectors(config, 2)
    layouts = split.layouts(config)
    found = model.golden(split, config, Accepted(stimulus.kind, stimulus.bits, layouts))
    assert len(stimulus.expected) > 4000
    assert np.array_equal(layouts.o.pack(found.beats), stimulus.expected)


def test_the_option_is_for_anyones_design(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "consmax/split", "--golden", "model.py:f"]) == 2
    assert "--golden" in capsys.readouterr().err
