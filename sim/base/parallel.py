"""Work side by side in processes."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

__all__ = ["Progress", "in_parallel"]

Progress = Callable[[str, int, int], None]  # what is being done, steps done, steps in all
Job = TypeVar("Job")
Result = TypeVar("Result")


def in_parallel(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    label: str,
    workers: int,
    progress: Progress | None = None,
) -> list[Result]:
    """Run jobs, some at a time; the first failure ends the rest.

    Args:
        work: What to do, a function of a module: processes are started anew.
        jobs: What to do it with, plain data.
        label: What progress is called.
        workers: Processes; 1 does the work in this one.
        progress: Called with the label, jobs done and jobs in all.

    Returns:
        Results in the order of the jobs.
    """

    def show(done: int) -> None:
        if progress is not None:
            progress(label, done, len(jobs))

    show(0)
    if workers == 1:
        results = []
        for done, job in enumerate(jobs, start=1):
            results.append(work(job))
            show(done)
        return results
    spawn = multiprocessing.get_context("spawn")  # torch has threads: no fork
    with ProcessPoolExecutor(max_workers=workers, mp_context=spawn) as pool:
        try:
            futures = [pool.submit(work, job) for job in jobs]
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                show(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return [future.result() for future in futures]
