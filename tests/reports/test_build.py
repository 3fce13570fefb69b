"""How a report is made: jobs shared, failures kept apart, the page there early and growing."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import consilico.reports.doctor
from consilico.reports import build
from consilico.reports.build import build_report, request_of
from consilico.reports.doctor import ToolCheck
from consilico.reports.page.section import Check, Judged, ReportJob, ReportResults, Request, Section
from consilico.sim.base.errors import CheckFailed, UserError
from tests.reports.section import REQUEST, words

pytestmark = pytest.mark.usefixtures("cache")
CALLS: list[str] = []


def measure(name: str) -> dict[str, Any]:
    """A measurement that is done, one that fails, and one that finds something wrong."""
    CALLS.append(name)
    if name == "bad":
        raise CheckFailed("the netlist is wrong: lane 3 differs")
    if name == "crash":
        raise ZeroDivisionError("a mistake of ours")
    return {"name": name, "passed": name != "unlucky"}


def job(name: str, **more: Any) -> ReportJob:
    """A job that measures a name."""
    return ReportJob(
        work=measure, arguments=(name,), label=f"measure {name}", command=f"measure --only {name}",
        cpu_s=90, **more,
    )  # fmt: skip


def a_section(name: str, *jobs: ReportJob, **more: Any) -> Section[Any]:
    """A section that shows what its jobs measured, by the template of provenance."""

    def facts(request: Request, results: ReportResults) -> Any:
        return [results.value(it) for it in jobs if results.value(it)] or None

    made: Section[Any] = Section(
        name=name, title=name.title(), jobs=lambda request, results: jobs, facts=facts,
        template="../tests/reports/small.html.j2",
    )  # fmt: skip
    return replace(made, **more)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """No calls yet, and a template of our own."""
    from jinja2 import ChoiceLoader, DictLoader

    from consilico.reports.page import render

    CALLS.clear()
    made = render.environment()
    assert made.loader is not None
    small = "<h2>{{ section.title }}</h2>{% for it in facts %}<p>{{ it.name }} done</p>{% endfor %}"
    made.loader = ChoiceLoader([DictLoader({"../tests/reports/small.html.j2": small}), made.loader])
    monkeypatch.setattr(render, "environment", lambda: made)


def _run(folder: Path, sections: Sequence[Section[Any]], **more: Any) -> tuple[Any, str]:
    request = replace(REQUEST, **more)
    answer = build_report(folder, request, sections=sections, workers=1)
    return answer, words((folder / "index.html").read_text())


def test_sections_share_a_job(tmp_path: Path) -> None:
    answer, text = _run(tmp_path, [a_section("one", job("a")), a_section("two", job("a"))])
    assert CALLS == ["a"]
    assert text.count("a done") == 2
    assert answer.passed


def test_what_takes_long_is_named_with_command_and_time_and_not_run(tmp_path: Path) -> None:
    long = job("long", quick=False)
    answer, text = _run(tmp_path, [a_section("one", job("a"), long)])
    assert CALLS == ["a"]
    assert "One: 1 measurement, about 90 s" in text
    assert "measure long measure --only long 90 s" in text
    assert answer.not_measured == 1
    _run(tmp_path, [a_section("one", job("a"), long)], full=True)
    assert CALLS == ["a", "long"]


def test_what_was_measured_before_is_shown_and_not_measured_again(tmp_path: Path) -> None:
    long = a_section("one", job("long", quick=False))
    _run(tmp_path, [long], full=True)
    answer, text = _run(tmp_path, [long])
    assert CALLS == ["long"]
    assert "long done" in text
    assert answer.not_measured == 0


@pytest.mark.parametrize(
    ("name", "why"),
    [("bad", "the netlist is wrong: lane 3 differs"), ("crash", "ZeroDivisionError: a mistake")],
)
def test_a_failure_is_told_and_loses_nothing_else(tmp_path: Path, name: str, why: str) -> None:
    sections = [a_section("one", job(name)), a_section("two", job("a"))]
    answer, text = _run(tmp_path, sections)
    assert not answer.passed
    assert answer.problems[0].startswith(f"measure {name}: {why}")
    assert f"FAILED measure {name}: {why}" in text
    assert "a done" in text
    _run(tmp_path, sections)
    assert [name, "a", name] == CALLS  # a failure is not kept


def test_a_verdict_that_failed_is_not_kept(tmp_path: Path) -> None:
    for _ in range(2):
        _run(tmp_path, [a_section("one", job("unlucky"))])
    assert CALLS == ["unlucky", "unlucky"]


def test_a_check_that_must_hold_fails_the_report_and_a_target_does_not(tmp_path: Path) -> None:
    def judged(must: bool) -> Any:
        check = Check(what="speed", limit="at least 3", measured="2", met=False, must=must)
        return lambda facts: Judged(checks=[check])

    missed, text = _run(tmp_path, [a_section("one", job("a"), judge=judged(False))])
    assert (missed.passed, missed.targets, missed.targets_missed) == (True, 1, 1)
    assert "Missed: speed." in text
    wrong, text = _run(tmp_path, [a_section("one", job("a"), judge=judged(True))])
    assert wrong.problems == ("speed: 2",)
    assert "FAILED: speed: 2 (at least 3)" in text


def test_a_section_that_cannot_be_shown_loses_nothing_else(tmp_path: Path) -> None:
    def fail(facts: Any) -> Judged:
        raise KeyError("area_um2")

    answer, text = _run(
        tmp_path, [a_section("one", job("a"), judge=fail), a_section("two", job("a"))]
    )
    assert answer.problems == ("One: KeyError: 'area_um2'",)
    assert "This section cannot be shown: KeyError: 'area_um2'" in text
    assert "a done" in text


def test_jobs_may_depend_on_what_was_found(tmp_path: Path) -> None:
    def jobs(request: Request, results: ReportResults) -> list[ReportJob]:
        found = results.value(job("a"))
        return [job("a", early=True), *([job("after a")] if found else [])]

    section = replace(
        a_section("one"), jobs=jobs,
        facts=lambda request, results: [
            results.value(it) for it in jobs(request, results) if results.value(it)
        ] or None,
    )  # fmt: skip
    _, text = _run(tmp_path, [section])
    assert CALLS == ["a", "after a"]
    assert "after a done" in text


def test_the_page_is_there_while_the_rest_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_BETWEEN_WRITES_S", 0.0)
    monkeypatch.setattr(build, "_WRITING_SHARE", 1e9)
    seen: list[tuple[str, str]] = []

    def look(label: str, done: int, total: int) -> None:
        path = tmp_path / "index.html"
        seen.append((path.read_text(), json.loads((tmp_path / "report.json").read_text())))

    build_report(
        tmp_path, REQUEST, sections=[a_section("one", job("a"), job("b"))], workers=1,
        progress=look,
    )  # fmt: skip
    pages = [words(html) for html, _ in seen]
    assert "Still measuring: 0 of 2 done" in pages[0]
    assert "Still measuring: 1 of 2 done" in pages[-1]
    assert "a done" in pages[-1]
    assert "b done" not in pages[-1]
    assert all('http-equiv="refresh"' in html for html, _ in seen)
    html = (tmp_path / "index.html").read_text()
    assert "b done" in html
    assert 'http-equiv="refresh"' not in html
    assert "Still measuring" not in html
    assert json.loads((tmp_path / "report.json").read_text())["finished"] is True


def test_writing_pages_takes_its_share_of_the_time_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_BETWEEN_WRITES_S", 0.0)
    monkeypatch.setattr(build, "_WRITING_SHARE", 1e-9)
    pages: list[str] = []
    build_report(
        tmp_path, REQUEST, sections=[a_section("one", job("a"), job("b"))], workers=1,
        progress=lambda *_: pages.append(words((tmp_path / "index.html").read_text())),
    )  # fmt: skip
    assert "Still measuring: 0 of 2 done" in pages[-1]  # the page of before, not written anew
    assert "b done" in words((tmp_path / "index.html").read_text())


def test_missing_tool_is_named_before_anything_runs_and_leaves_the_earlier_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = a_section("one", job("a"))
    _run(tmp_path, [section])
    before = (tmp_path / "index.html").read_bytes()
    missing = ToolCheck(
        name="yosys", kind="program", required=True, usable=False, advice="is not there: get it"
    )
    monkeypatch.setattr(consilico.reports.doctor, "examine", lambda: [missing])
    with pytest.raises(UserError, match="yosys: is not there: get it"):
        _run(tmp_path, [section])
    assert (tmp_path / "index.html").read_bytes() == before


@pytest.mark.parametrize(
    ("units", "kits", "settings", "named"),
    [
        (["consmax/log3"], [], [], "unknown unit 'consmax/log3'"),
        (["consmax/log2"], ["nokit"], [], "nokit"),
        (["consmax/log2"], [], ["lanes=-1"], "consmax/log2: lanes"),
        ([], [], ["lanes=4"], "--set is for the units that are named"),
    ],
)
def test_what_cannot_be_reported_on_is_refused(
    units: list[str], kits: list[str], settings: list[str], named: str
) -> None:
    with pytest.raises(UserError, match=named):
        request_of(units, kits, settings)


def test_chosen_units_get_the_sections_about_units() -> None:
    from consilico.reports.sections import sections_of

    request = request_of(["matmul/dot"], ["nangate45"], ["lanes=4"])
    names = [section.name for section in sections_of(request)]
    assert names == ["verification", "implementation", "input", "provenance"]
    jobs = {
        it.command: it.quick
        for section in sections_of(request)
        for it in section.jobs(request, ReportResults())
        if it.unit
    }
    assert jobs == {
        "consilico verify matmul/dot --set lanes=4": True,
        "consilico mutate matmul/dot --set lanes=4": False,
        "consilico prove matmul/dot --set lanes=4": False,
        "consilico implement matmul/dot --set lanes=4 --pdk nangate45 --clock-ns 2"
        " --traffic model": True,
    }


def test_the_first_page_verifies_every_unit_and_implements_a_few() -> None:
    from consilico.reports.sections import SECTIONS
    from consilico.sim.units.catalogue import catalogue

    request = request_of()
    jobs = {job for section in SECTIONS for job in section.jobs(request, ReportResults())}
    quick = [it.command for it in jobs if it.quick]
    assert {f"consilico verify {name}" for name in catalogue()} <= set(quick)
    implemented = [command for command in quick if command.startswith("consilico implement")]
    assert 1 <= len(implemented) <= 10
    assert len(jobs) - len(quick) > 50
