"""What lives in a chain of operations, against cases small enough to follow by hand."""

from dataclasses import replace

import numpy as np

from consilico.sim.memory.autograd import Op, peak, walk
from consilico.sim.memory.entries import Size


def test_a_result_lives_until_its_last_reader_is_done() -> None:
    ops = [
        Op(makes="a", reads=("x",), bytes=10),
        Op(makes="b", reads=("a",), bytes=20),
        Op(makes="c", reads=("b",), bytes=5),
    ]
    found = walk(ops, "x", 7)
    assert [m.working for m in found.forward] == [10, 30, 25]
    assert found.saved_bytes == 0


def test_saved_tensors_live_until_the_operation_that_saved_them_runs_backward() -> None:
    ops = [
        Op(makes="a", reads=("x",), bytes=10, saves=("x",)),
        Op(makes="b", reads=("a",), bytes=20, saves=("a", "b")),
    ]
    found = walk(ops, "x", 7)
    assert {s.name: s.bytes for s in found.saved} == {"x": 7, "a": 10, "b": 20}
    # backward of b: gradients of b and a; of a: gradients of a and x
    assert [(m.saved, m.working) for m in found.backward] == [(37, 30), (7, 17)]
    assert [m.after for m in found.backward] == [7 + 10, 7]


def test_a_view_takes_no_room_and_is_saved_as_its_tensor() -> None:
    ops = [
        Op(makes="a", reads=("x",), bytes=10),
        Op(makes="view", reads=("a",), passes=True),
        Op(makes="b", reads=("view",), bytes=10, saves=("view",)),
    ]
    found = walk(ops, "x", 10)
    assert {s.name: s.bytes for s in found.saved} == {"a": 10}
    assert [m.working for m in found.backward] == [20, 10, 20]


def test_two_gradients_of_a_tensor_become_one_after_their_sum() -> None:
    ops = [
        Op(makes="a", reads=("x",), bytes=10),
        Op(makes="p", reads=("a",), bytes=10),
        Op(makes="q", reads=("a",), bytes=10),
        Op(makes="c", reads=("p", "q"), bytes=10),
    ]
    backward = {m.op: m.working for m in walk(ops, "x", 10).backward}
    assert backward["c"] == 30  # of c, p and q
    assert backward["q"] == 30  # of q, p and a
    assert backward["p"] == 30  # of p, the first of a and the second, to be added
    assert backward["a"] == 20


def test_an_addition_hands_one_gradient_to_both_and_a_later_sum_needs_its_own() -> None:
    ops = [
        Op(makes="b", reads=("x",), bytes=10),
        Op(makes="sum", reads=("x", "b"), bytes=10, passes=True),
    ]
    backward = walk(ops, "x", 10).backward
    assert backward[0].working == 10  # shared by x and b
    assert backward[1].working == 30  # the shared one, that of b's input, and their sum
    assert backward[1].after == 10


def test_scratch_counts_only_while_the_operation_runs() -> None:
    ops = [
        Op(makes="a", reads=("x",), bytes=10, scratch=100, back_scratch=1000),
        Op(makes="b", reads=("a",), bytes=10),
    ]
    found = walk(ops, "x", 10)
    assert [m.working for m in found.forward] == [110, 20]
    assert [m.working for m in found.backward] == [20, 1020]


def test_one_walk_serves_an_array_of_runs() -> None:
    def chain(size: Size) -> Size:
        ops = [
            Op(makes="a", reads=("x",), bytes=size, saves=("x",)),
            Op(makes="b", reads=("a",), bytes=100, saves=("a",)),
        ]
        found = walk(ops, "x", size)
        return peak(found.forward + found.backward)

    together = np.asarray(chain(np.array([1, 50, 700])))
    assert together.tolist() == [chain(1), chain(50), chain(700)]


def test_a_tensor_lives_as_long_as_the_program_has_a_name_for_it() -> None:
    ops = [
        Op(makes="a", reads=("x",), bytes=8),
        Op(makes="b", reads=("a",), bytes=1),
        Op(makes="c", reads=("b",), bytes=1),
    ]
    named = [*ops[:2], replace(ops[2], names=("a",))]
    last, kept = (walk(chain, "x", 1).forward[-1].working for chain in (ops, named))
    assert kept - last == 8
