"""Cached builds: made once, keyed by what they depend on, made again when damaged."""

from pathlib import Path

import pytest

from consilico.sim.rtlsim.builds import cached_build
from consilico.sim.rtlsim.simulators import Simulator

SIMULATOR = Simulator(name="icarus", version="11.0", executable=Path("/usr/bin/iverilog"))


class Maker:
    """Counts its calls and makes the same file each time."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, files: list[Path], work: Path) -> Path:
        self.calls += 1
        product = work / "product"
        product.write_text("".join(file.read_text() for file in files))
        return product


@pytest.fixture
def maker(cache: Path) -> Maker:
    return Maker()


def test_a_build_is_made_once_and_is_executable(maker: Maker) -> None:
    first = cached_build(SIMULATOR, ["a", "b"], {"x": 1}, maker)
    assert first.read_text() == "ab"
    assert first.stat().st_mode & 0o111
    assert cached_build(SIMULATOR, ["a", "b"], {"x": 1}, maker) == first
    assert maker.calls == 1


@pytest.mark.parametrize(
    ("simulator", "texts", "options"),
    [
        (SIMULATOR, ["a", "c"], {"x": 1}),
        (SIMULATOR, ["ab"], {"x": 1}),
        (SIMULATOR, ["a", "b"], {"x": 2}),
        (
            Simulator(name="icarus", version="12.0", executable=SIMULATOR.executable),
            ["a", "b"],
            {"x": 1},
        ),
    ],
)
def test_other_sources_options_or_versions_are_other_builds(
    maker: Maker, simulator: Simulator, texts: list[str], options: dict[str, int]
) -> None:
    cached_build(SIMULATOR, ["a", "b"], {"x": 1}, maker)
    cached_build(simulator, texts, options, maker)
    assert maker.calls == 2


@pytest.mark.parametrize("damage", [b"", b"a", b"ax"])
def test_a_damaged_build_is_made_again(maker: Maker, damage: bytes) -> None:
    path = cached_build(SIMULATOR, ["a", "b"], {}, maker)
    path.write_bytes(damage)
    assert cached_build(SIMULATOR, ["a", "b"], {}, maker).read_text() == "ab"
    assert maker.calls == 2


def test_a_failed_build_leaves_nothing_in_the_cache(cache: Path) -> None:
    def fail(files: list[Path], work: Path) -> Path:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        cached_build(SIMULATOR, ["a"], {}, fail)
    assert list((cache / "icarus").iterdir()) == []
