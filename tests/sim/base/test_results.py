"""The result cache and files that appear whole or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.base.results import cache_dir, cached, digest


def _counting(value: Any) -> tuple[list[int], Callable[[], Any]]:
    calls: list[int] = []

    def compute() -> Any:
        calls.append(1)
        return value

    return calls, compute


def test_a_result_is_computed_once(cache: Path) -> None:
    calls, compute = _counting({"area_um2": 1.5})
    assert [cached("kind", "key", compute) for _ in range(3)] == [{"area_um2": 1.5}] * 3
    assert len(calls) == 1


def test_other_keys_and_kinds_are_other_results(cache: Path) -> None:
    calls, compute = _counting(0)
    for kind, key in [("a", "x"), ("a", "y"), ("b", "x")]:
        cached(kind, key, compute)
    assert len(calls) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("1.5", "9.5"),
        lambda text: "[]",
        lambda text: "null",
        lambda text: json.dumps({"value": {"area_um2": 9.5}}),
        lambda text: "\x00\xff",
    ],
    ids=["empty", "cut", "value changed", "list", "null", "no hash", "no text"],
)
def test_a_damaged_entry_is_computed_again(cache: Path, damage: Callable[[str], str]) -> None:
    calls, compute = _counting({"area_um2": 1.5})
    cached("kind", "key", compute)
    entry = cache / "kind" / "key.json"
    whole = entry.read_text()
    entry.write_bytes(damage(whole).encode("latin-1"))
    assert cached("kind", "key", compute) == {"area_um2": 1.5}
    assert len(calls) == 2
    assert entry.read_text() == whole


def test_the_first_answer_is_what_later_answers_are(cache: Path) -> None:
    """A tuple would come back from the file as a list."""
    _, compute = _counting({"lanes": (1, 4)})
    assert cached("kind", "key", compute) == cached("kind", "key", compute) == {"lanes": [1, 4]}


def test_a_result_keeps_its_order(cache: Path) -> None:
    _, compute = _counting({"b": 1, "a": 2})
    assert [list(cached("kind", "key", compute)) for _ in range(2)] == [["b", "a"]] * 2


def test_a_failed_computation_leaves_no_entry(cache: Path) -> None:
    def fail() -> None:
        raise UserError("no tool")

    with pytest.raises(UserError, match="no tool"):
        cached("kind", "key", fail)
    assert list((cache / "kind").iterdir()) == []


def test_a_digest_depends_on_every_part_and_its_place() -> None:
    digests = [
        digest("a", "b"),
        digest("ab"),
        digest("b", "a"),
        digest(b"a", "b"),
        digest(["a", "b"]),
        digest({"a": "b"}),
    ]
    assert len(set(digests)) == len(digests)


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_a_cache_folder_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot make the cache folder .*file/kind"):
        cache_dir("kind")
