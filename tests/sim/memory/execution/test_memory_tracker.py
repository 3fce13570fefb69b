"""Bytes that the tracker counts, against bytes counted by hand."""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from consilico.sim.memory.execution.memory_tracker import UNLABELLED, MemoryTracker


@pytest.fixture(params=["real", "fake"])
def tracker(request: pytest.FixtureRequest) -> Iterator[MemoryTracker]:
    """A tracker that is active, on real tensors and on fake ones."""
    with FakeTensorMode() if request.param == "fake" else nullcontext(), MemoryTracker() as active:
        yield active


def test_a_tensor_counts_until_its_last_reference_goes(tracker: MemoryTracker) -> None:
    first = torch.zeros(10)
    second = first + 1
    assert tracker.current_bytes == 80
    del first
    assert tracker.current_bytes == 40
    third = torch.zeros(5)
    assert (tracker.current_bytes, tracker.peak_bytes) == (60, 80)
    del second, third
    assert tracker.current_bytes == 0


def test_a_view_counts_once_and_keeps_its_storage(tracker: MemoryTracker) -> None:
    whole = torch.zeros(4, 8, dtype=torch.float64)
    row = whole[1].view(2, 4).T
    assert tracker.current_bytes == 256
    del whole
    assert tracker.current_bytes == 256
    del row
    assert tracker.current_bytes == 0


def test_an_operation_in_place_takes_nothing(tracker: MemoryTracker) -> None:
    value = torch.ones(16)
    value.mul_(2).add_(value)
    assert tracker.peak_bytes == tracker.current_bytes == 64


def test_what_autograd_saves_lives_until_the_backward_pass(tracker: MemoryTracker) -> None:
    weight = torch.ones(8, requires_grad=True)  # 32 bytes
    loss = weight.exp().sum()  # exp saves its result: 32; the loss: 4
    assert tracker.current_bytes == 68
    loss.backward()  # type: ignore[no-untyped-call]
    assert tracker.current_bytes == 68  # the gradient came, the result went
    # while the gradient was made: weight, result, loss, its gradient of 4, the weight's gradient
    assert tracker.peak_bytes == 32 + 32 + 4 + 4 + 32


def test_each_phase_has_its_peak(tracker: MemoryTracker) -> None:
    tracker.phase = "one"
    kept = torch.zeros(4)
    tracker.phase = "two"
    temporary = torch.zeros(8)
    del temporary
    tracker.phase = "three"
    last = torch.zeros(2)
    assert tracker.phase_peaks == {"one": 16, "two": 48, "three": 24}
    assert tracker.peak_phase == "two"
    del kept, last


def test_after_a_restart_what_lives_goes_on_counting(tracker: MemoryTracker) -> None:
    kept = torch.zeros(4)
    gone = torch.zeros(100)
    del gone
    tracker.restart()
    assert tracker.peak_bytes == 16
    more = kept + 1
    assert tracker.peak_bytes == 32
    assert [a.bytes for a in tracker.at_peak()] == [16, 16]
    del more


def test_the_census_is_of_the_peak_and_not_of_now(tracker: MemoryTracker) -> None:
    weight = torch.zeros(4)
    tracker.label([weight], "weights")
    state = torch.zeros(2)
    temporary = weight.exp()
    del temporary
    later = torch.zeros(3)
    tracker.label([state, later], "states")  # holds for the peak, too
    sums: Counter[str] = Counter()
    for allocation in tracker.at_peak():
        sums[allocation.category] += allocation.bytes
    assert sums == {"weights": 16, "states": 8, UNLABELLED: 16}
    assert sum(sums.values()) == tracker.peak_bytes
    assert tracker.at_peak()[-1].operation == "aten.zeros.default"


def test_a_tensor_from_outside_counts_once_it_is_labelled() -> None:
    outside = torch.zeros(100)
    with MemoryTracker() as tracker:
        inside = torch.zeros(10)
        assert tracker.current_bytes == 40
        tracker.label([outside], "weights")
        assert tracker.current_bytes == 440
        assert sum(a.bytes for a in tracker.at_peak()) == tracker.peak_bytes == 40
        more = torch.zeros(1)
        assert sum(a.bytes for a in tracker.at_peak()) == tracker.peak_bytes == 444
    del inside, more


def test_storages_are_rounded_up_to_the_granule() -> None:
    with MemoryTracker(512) as tracker:
        small, exact, above = torch.zeros(1), torch.zeros(128), torch.zeros(129)
        assert tracker.current_bytes == 512 + 512 + 1024
    del small, exact, above


def test_questions_about_fake_data_are_answered_as_for_sound_numbers() -> None:
    with FakeTensorMode(), MemoryTracker():
        value = torch.zeros(3)
        assert bool(torch.isfinite(value).all()) is True
        assert bool((value < 0).any()) is False
        assert value[0].abs().item() == 1.0


def test_questions_about_real_data_are_answered_by_the_data() -> None:
    with MemoryTracker():
        value = torch.tensor([-2.0, float("inf")])
        assert bool(torch.isfinite(value).all()) is False
        assert bool((value < 0).any()) is True
        assert value[0].item() == -2.0


def test_the_floats_that_a_product_with_nf4_codes_makes_are_counted() -> None:
    functional = pytest.importorskip("bitsandbytes.functional", reason="needs the extra hf")
    import bitsandbytes

    peaks = {}
    for double in (False, True):
        with FakeTensorMode(allow_non_fake_inputs=True), MemoryTracker() as tracker:
            codes, state = functional.quantize_4bit(
                torch.zeros(256, 128), compress_statistics=double, quant_type="nf4"
            )
            given = torch.zeros(4, 128)
            tracker.restart()
            held = tracker.current_bytes
            result = bitsandbytes.matmul_4bit(given, codes, state)
            peaks[double] = tracker.peak_bytes - held - result.nbytes
    # the matrix in float32, and where scales are codes those, too: one for 64 elements
    assert peaks == {False: 4 * 256 * 128, True: 4 * 256 * 128 + 4 * 256 * 128 // 64}
