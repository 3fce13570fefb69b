"""Jobs in parallel: results in order, the first failure out, nothing left behind."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.parallel import as_done, in_parallel, processors


@pytest.mark.parametrize("workers", [1, 2, None])
def test_results_come_in_the_order_of_the_jobs_and_progress_is_told(workers: int | None) -> None:
    seen: list[tuple[str, int, int]] = []
    found = in_parallel(abs, [-3, -1, -2], "some", workers, lambda *step: seen.append(step))
    assert found == [3, 1, 2]
    assert seen == [("some", done, 3) for done in range(4)]


@pytest.mark.parametrize("workers", [1, 2])
def test_no_jobs_have_no_results(workers: int) -> None:
    assert in_parallel(abs, [], "none", workers) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_there_before_all_is_done(workers: int) -> None:
    """The second job never ends: only what is given up early gets past it."""
    results = as_done(time.sleep, [0.0, 1e6], "some", workers)
    assert next(results) == (0, None)
    results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_ends_the_rest(workers: int) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        in_parallel(int, ["1", "x", "2"], "some", workers)


def test_a_failure_ends_jobs_that_still_run() -> None:
    with pytest.raises(OverflowError):
        in_parallel(time.sleep, [1e6, 1e300], "some", 2)


def test_a_process_that_is_killed_is_an_error() -> None:
    with pytest.raises(ToolError, match=r"^some: a process was killed; "):
        in_parallel(os._exit, [1, 1], "some", 2)


def test_no_workers_are_refused() -> None:
    with pytest.raises(UserError, match=r"at least 1, not 0"):
        in_parallel(abs, [1], "some", 0)


def test_processors_are_those_this_process_may_use() -> None:
    code = "from consilico.sim.base.parallel import processors; print(processors())"
    run = subprocess.run(
        ["taskset", "-c", str(min(os.sched_getaffinity(0))), sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "1\n"
    assert processors() == len(os.sched_getaffinity(0))


PARENT = """
from consilico.sim.base.parallel import in_parallel
from consilico.sim.base.processes import Limits, run_tool
if __name__ == "__main__":
    import jobs
    in_parallel(jobs.work, [0, 1], "some", 2)
"""
JOBS = """
import os, time
from pathlib import Path
from consilico.sim.base.processes import Limits, run_tool, work_folder
here = Path(__file__).parent
def work(index):
    script = f"echo {os.getpid()} $$ > {here}/new{index}; mv {here}/new{index} {here}/ids{index}"
    run_tool("sh", ["sh", "-c", script + "; exec sleep 600"], Limits(wall_s=600))
def prepare(index):
    with work_folder("faketool") as folder:
        (here / f"folder{index}").write_text(str(folder))
        while index or not (here / "folder1").exists() or not (here / "folder1").read_text():
            time.sleep(0.01)
        raise ValueError("first")
"""


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_jobs_and_their_tools_end_with_the_process_that_started_them(
    tmp_path: Path, by: signal.Signals
) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "jobs.py").write_text(JOBS)
    ids = [tmp_path / f"ids{index}" for index in range(2)]
    with subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"], stderr=subprocess.DEVNULL
    ) as parent:
        for path in ids:
            _await(path.exists)
        parent.send_signal(by)
    for process in " ".join(path.read_text() for path in ids).split():
        _await(partial(_is_gone, int(process)))


def test_a_job_that_is_ended_between_two_tools_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Job 0 fails once job 1 has a work folder, in which nothing runs yet."""
    (tmp_path / "jobs.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "jobs", raising=False)
    jobs = importlib.import_module("jobs")
    with pytest.raises(ValueError, match=r"^first$"):
        in_parallel(jobs.prepare, [0, 1], "some", 2)
    folders = [Path((tmp_path / f"folder{index}").read_text()) for index in range(2)]
    assert [folder for folder in folders if folder.exists()] == []


def _await(condition: Callable[[], bool]) -> None:
    """Wait for what comes at once on an idle machine, and fail if it never comes."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _is_gone(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"
