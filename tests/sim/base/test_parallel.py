"""Work side by side: results in order, the first failure out."""

import pytest

from consilico.sim.base.parallel import in_parallel


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs_and_progress_is_told(workers: int) -> None:
    seen: list[tuple[str, int, int]] = []
    found = in_parallel(abs, [-3, -1, -2], "some", workers, lambda *step: seen.append(step))
    assert found == [3, 1, 2]
    assert seen == [("some", done, 3) for done in range(4)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_ends_the_rest(workers: int) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        in_parallel(int, ["1", "x", "2"], "some", workers)
