"""The one executor of long work: jobs in processes, results as they come, all ended by a failure.

Resuming is the business of the result cache: a job that was done before answers from it. So an
executor need not remember anything, and another can take the place of the process pool: whoever
names ``dask:ADDRESS`` in place of a number of processes has the jobs done by the workers of that
Dask scheduler, on this machine or on others. What the jobs return, and what becomes of it, is the
same.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.processes import remove_work_folders
from consilico.sim.base.progress import Progress, silent

__all__ = ["as_done", "in_parallel", "processors"]

_GRACE_S = 20.0  # for a process to remove its folders
_DASK, _CONNECT_S = "dask", 20.0
Job = TypeVar("Job")
Result = TypeVar("Result")


def processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parallel(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    label: str,
    workers: int | str | None = None,
    progress: Progress | None = None,
) -> list[Result]:
    """Run jobs in parallel; the first failure ends the rest.

    Args:
        work: What to do, a function of a module: processes are started anew.
        jobs: What to do it with, plain data.
        label: What progress is called.
        workers: Processes, at least 1; as many as there are processors if not given. One does the
            work in this process. A text ``dask:ADDRESS`` names a Dask scheduler.
        progress: Called with the label, jobs done and jobs in all.

    Returns:
        Results in the order of the jobs.

    Raises:
        UserError: If ``workers`` is below 1 or another text, or no scheduler answers there.
        ToolError: If a process was killed, as happens where memory runs out.
        ModuleNotFoundError: If a scheduler is named and Dask is not installed.
    """
    found = dict(as_done(work, jobs, label, workers, progress))
    return [found[index] for index in range(len(jobs))]


def as_done(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    label: str,
    workers: int | str | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[int, Result]]:
    """Run jobs in parallel, and yield each result as soon as it is there.

    Arguments and errors are those of :func:`in_parallel`. The jobs that are left end when the
    caller stops iterating, too.

    Yields:
        The index of a job, and its result.
    """
    if isinstance(workers, int) and workers < 1:
        raise UserError(f"the number of jobs at a time must be at least 1, not {workers}")
    if isinstance(workers, str):
        _address(workers)  # refused even where there is nothing to do
    show = progress or silent
    if not isinstance(workers, str):
        workers = min(workers or processors(), max(1, len(jobs)))
    show(label, 0, len(jobs))
    if not jobs:
        return
    if workers == 1:
        for index, job in enumerate(jobs):
            result = work(job)
            show(label, index + 1, len(jobs))
            yield index, result
        return
    with _cluster(workers) if isinstance(workers, str) else _executor(workers) as executor:
        futures: dict[Future[Result], int] = {
            executor.submit(work, job): index for index, job in enumerate(jobs)
        }
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                result = future.result()
                show(label, done, len(jobs))
                yield futures[future], result
        except BrokenProcessPool as error:
            raise ToolError(
                f"{label}: a process was killed; the machine may be out of memory, fewer jobs at"
                " a time need less"
            ) from error


@contextmanager
def _executor(workers: int) -> Iterator[Executor]:
    """Provide what runs the jobs; leaving it by an exception ends all that still run."""
    spawn = multiprocessing.get_context("spawn")  # torch has threads: no fork
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_follow_parent) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            running = set(multiprocessing.active_children()) - others
            for process in running:
                process.terminate()
            for process in running:
                process.join(_GRACE_S)
                process.kill()
            raise


def _address(workers: str) -> str:
    """Return the address in a text that names a Dask scheduler.

    Raises:
        UserError: If the text has another form.
    """
    kind, _, address = workers.partition(":")
    if kind != _DASK or not address:
        raise UserError(
            "workers must be a number of processes, or dask:ADDRESS such as"
            f" dask:tcp://host:8786, not {workers!r}"
        )
    return address


@contextmanager
def _cluster(workers: str) -> Iterator[Executor]:
    """Provide the workers of a Dask scheduler; leaving it by an exception cancels what is left."""
    address = _address(workers)
    import distributed
    from distributed.comm import get_address_host_port

    try:
        get_address_host_port(address)
    except ValueError as error:  # a client that refuses it is left half-made, and hangs
        raise UserError(
            f"{address!r} is no address of a Dask scheduler: {error}; accepted: such as"
            " tcp://host:8786"
        ) from error
    try:
        client = distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:  # a time-out is an OSError
        raise UserError(f"no Dask scheduler answers at {address!r}: {error}") from error
    with client:
        executor = client.get_executor(pure=False)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)  # cancels
            raise


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it says so or ends itself, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _end())
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        _end()

    threading.Thread(target=watch, daemon=True).start()


def _end() -> None:
    """End this process at once; the tools that it started see that, and end, too."""
    remove_work_folders()
    os._exit(1)
