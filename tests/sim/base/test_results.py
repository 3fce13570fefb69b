"""The result cache and files that appear whole or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.base.results import (
    cache_dir,
    cache_entries,
    cached,
    cached_file,
    clear_cache,
    digest,
    keep_file,
    kept_file,
    stored,
)


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


def test_two_entries_that_were_swapped_are_computed_again(cache: Path) -> None:
    for key, area_um2 in (("a", 1.5), ("b", 9.5)):
        cached("kind", key, lambda area_um2=area_um2: area_um2)  # type: ignore[misc]
    first, second = cache / "kind" / "a.json", cache / "kind" / "b.json"
    first.rename(cache / "kind" / "c.json")
    second.rename(first)
    (cache / "kind" / "c.json").rename(second)
    assert stored("kind", "a") is None
    assert stored("kind", "b") is None
    calls, compute = _counting(1.5)
    assert cached("kind", "a", compute) == 1.5
    assert calls == [1]


def test_an_entry_moved_to_another_kind_is_computed_again(cache: Path) -> None:
    cached("kind", "key", lambda: 1)
    cache_dir("other")
    (cache / "kind" / "key.json").rename(cache / "other" / "key.json")
    assert stored("other", "key") is None


def test_an_entry_that_is_nested_without_end_is_computed_again(cache: Path) -> None:
    cache_dir("kind")
    (cache / "kind" / "key.json").write_text("[" * 100_000)
    assert stored("kind", "key") is None


def test_every_entry_is_one_that_clearing_knows(cache: Path) -> None:
    """What the cache did not recognize as its own would stay for ever."""
    cached("some_kind", digest("a"), lambda: 1)
    cached_file("verilator-runtime", digest("b"), ".o", lambda: b"object")
    cached_file("icarus", digest("c"), "", lambda: b"program")
    written = {path for path in cache.rglob("*") if path.is_file()}
    assert {entry.path for entry in cache_entries()} == written
    clear_cache()
    assert list(cache.iterdir()) == []
    with pytest.raises(ValueError, match="no name for a kind"):
        cache_dir("A Kind")


def test_a_file_is_made_once(cache: Path) -> None:
    calls, make = _counting(b"content")
    paths = {cached_file("kind", "key", ".lib", make) for _ in range(3)}
    assert [path.read_bytes() for path in paths] == [b"content"]
    assert len(calls) == 1


@pytest.mark.parametrize("damage", [b"", b"cont", b"contenT", b"content and more"])
def test_a_damaged_file_is_made_again(cache: Path, damage: bytes) -> None:
    calls, make = _counting("content")
    path = cached_file("kind", "key", ".lib", make)
    path.write_bytes(damage)
    assert cached_file("kind", "key", ".lib", make).read_text() == "content"
    assert len(calls) == 2
    assert len(list(path.parent.iterdir())) == 1


def test_files_under_the_names_of_each_other_are_made_again(cache: Path) -> None:
    """Renaming keeps content and content hash together: it is the key that does not match."""
    a = cached_file("kind", "a", ".lib", lambda: b"of a")
    b = cached_file("kind", "b", ".lib", lambda: b"of b")
    hashes = [path.name.partition("-")[2] for path in (a, b)]
    a.rename(a.with_name("kept"))
    b.rename(b.with_name(f"a-{hashes[1]}"))
    a.with_name("kept").rename(a.with_name(f"b-{hashes[0]}"))
    assert cached_file("kind", "a", ".lib", lambda: b"of a").read_bytes() == b"of a"
    assert cached_file("kind", "b", ".lib", lambda: b"of b").read_bytes() == b"of b"


def test_a_file_that_is_kept_takes_the_place_of_the_one_of_before(cache: Path) -> None:
    assert kept_file("kind", "key", ".pt") is None
    keep_file("kind", "key", ".pt", b"first")
    other = keep_file("kind", "other", ".pt", b"of another key")
    second = keep_file("kind", "key", ".pt", b"second")
    assert set(cache_dir("kind").iterdir()) == {second, other}
    assert kept_file("kind", "key", ".pt") == second


def test_a_kept_file_that_is_damaged_or_swapped_is_named_and_removed(cache: Path) -> None:
    a, b = (keep_file("kind", key, ".pt", key.encode()) for key in "ab")
    b.write_bytes(b"damaged")
    c = b.with_name(a.name.replace("a", "c", 1))
    c.write_bytes(b"a")
    removed: list[Path] = []
    assert [kept_file("kind", key, ".pt", removed.append) for key in "abc"] == [a, None, None]
    assert removed == [b, c]
    assert list(cache_dir("kind").iterdir()) == [a]


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


def test_a_cache_that_is_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"^cannot read the cache .*/file: Not a directory"):
        cache_entries()
