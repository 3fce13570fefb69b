"""Spaces of chips: their points in order, ranges, constraints, and what is refused."""

from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.explore.space import DesignPoint, Space, read_space

HEAD = 'model = "llama-60m"\ncontext = 64\n'


def space(folder: Path, text: str) -> Space:
    path = folder / "space.toml"
    path.write_text(text)
    return read_space(path)


def test_a_space_is_the_product_of_its_fields(tmp_path: Path) -> None:
    found = space(tmp_path, HEAD + '[fields]\ntiles = [1, 2]\nnormaliser = ["softmax", "ita"]\n')
    assert found.size == 4
    assert found.varied == ["tiles", "normaliser"]
    assert [(p.tiles, p.normaliser) for p in found.points()] == [
        (1, "softmax"), (1, "ita"), (2, "softmax"), (2, "ita"),
    ]  # fmt: skip


def test_fields_that_are_left_out_are_those_of_the_command(tmp_path: Path) -> None:
    assert list(space(tmp_path, HEAD).points()) == [DesignPoint()]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("tiles = 3", (3,)),
        ("tiles = { from = 1, to = 8, factor = 2 }", (1, 2, 4, 8)),
        ("tiles = { from = 2, to = 9, step = 3 }", (2, 5, 8)),
        ("gemv_lanes = { from = 0, to = 64, step = 32 }", (0, 32, 64)),
        ("clock_ns = { from = 1, to = 2, step = 0.5 }", (1.0, 1.5, 2.0)),
        ("clock_ns = 2", (2.0,)),
    ],
)
def test_a_range_has_both_of_its_ends(tmp_path: Path, text: str, values: tuple[float]) -> None:
    name = text.split(" ")[0]
    assert space(tmp_path, f"{HEAD}[fields]\n{text}\n").axes[name] == values


def test_constraints_on_fields_leave_points_out(tmp_path: Path) -> None:
    text = 'constraints = ["tiles * rows * columns <= 8192"]\n[fields]\n'
    found = space(tmp_path, HEAD + text + 'tile = ["32x64", "64x64"]\ntiles = [1, 2, 4]\n')
    assert [(p.tile, p.tiles) for p in found.points()] == [
        ("32x64", 1), ("32x64", 2), ("32x64", 4), ("64x64", 1), ("64x64", 2),
    ]  # fmt: skip


def test_constraints_on_figures_are_asked_when_these_are_known(tmp_path: Path) -> None:
    found = space(tmp_path, HEAD + 'constraints = ["area_um2 * tiles <= 100"]\n')
    point = next(found.points())
    assert found.accepts(point, {"area_um2": 25.0})
    assert not found.accepts(point, {"area_um2": 26.0})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[fields]\ntile_size = 3", r"fields\.tile_size is unknown; accepted: tile, tiles"),
        ("[fields]\ntiles = []", "fields.tiles must have 1 to 4,096 values, not 0"),
        ("[fields]\ntiles = [1, 1]", "fields.tiles has 1 twice"),
        ("[fields]\ntiles = 1.5", "fields.tiles must be whole numbers, not 1.5"),
        ("[fields]\ntiles = true", "fields.tiles must be whole numbers, not True"),
        ("[fields]\nclock_ns = inf", "fields.clock_ns must be numbers, not inf"),
        ("[fields]\ntile = {from = 1, to = 2, step = 1}", "fields.tile must be a text or a list"),
        ("[fields]\ntiles = {from = 1, to = 8}", "fields.tiles needs either a step or a factor"),
        ("[fields]\ntiles = {from = 1, to = 8, factor = 1}", "needs one above 1"),
        ("[fields]\ntiles = {from = 1, to = 1e9, step = 1}", "fields.tiles must have 1 to 4,096"),
        ("[fields]\ntiles = {from = 9, to = 1, step = 1}", "fields.tiles must have 1 to 4,096"),
        ("[fields]\ntiles = {from = 1, to = 2, step = 0.4}", "tiles must give whole numbers"),
        ('constraints = ["size < 3"]', "size is unknown"),
        ('phase = "training"', "phase must be one of prefill, decode"),
        ("depth = 3", "depth is unknown"),
    ],
)
def test_what_is_not_accepted_names_file_and_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        space(tmp_path, f"{HEAD}{text}\n")
    assert str(tmp_path / "space.toml") in str(caught.value)


def test_a_space_that_is_too_large_tells_what_makes_it_so(tmp_path: Path) -> None:
    many = "{from = 32, to = 32000, step = 32}"
    ranges = f"lanes = {many}\nsram_kib = {many}\n"
    with pytest.raises(UserError, match=r"at most 262,144 points, not 2,000,000: 2 of tiles, 1"):
        space(tmp_path, f"{HEAD}[fields]\ntiles = [1, 2]\n{ranges}")


def test_a_config_next_to_the_space_is_found(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 100,'
        ' "num_hidden_layers": 2, "num_attention_heads": 2}'
    )
    found = space(tmp_path, 'model = "config.json"\ncontext = 16\n')
    assert found.workload.model.hidden == 64
