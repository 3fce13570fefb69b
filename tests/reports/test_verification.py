"""What the report knows of mutants and proofs: what their commands have left in the cache."""

from dataclasses import replace
from typing import Any

import pytest

from consilico.reports.build import request_of
from consilico.reports.page import measure
from consilico.reports.page.measure import Verified, stored_proofs, stored_score, verify_job
from consilico.reports.page.numbers import NOT_MEASURED
from consilico.reports.page.section import Card, Chosen, Outcome, ReportResults
from consilico.reports.verification.facts import evidence_jobs, verification_facts
from consilico.sim.base.results import cached
from consilico.sim.rtlsim.mutation import score
from consilico.sim.rtlsim.proofs import prove
from tests.sim.rtlsim import toy

pytestmark = pytest.mark.usefixtures("cache")


def test_what_a_command_measured_is_shown_and_asked_for_no_more(
    facts: dict[str, Any],
) -> None:
    it = facts["verification"].verdicts[0]
    verified = Verified(verification=it.found, score_key="a", proofs_key="b")
    unit = Chosen(name="consmax/log2")
    request = request_of(["consmax/log2"])
    results = ReportResults({verify_job(unit): Outcome(value=verified.to_json())})
    assert {job.command for job in evidence_jobs(unit, results)} == {
        "consilico mutate consmax/log2",
        "consilico prove consmax/log2",
    }
    cached("mutate", "a", it.mutants.to_json)
    cached("prove", "b", it.proofs.to_json)
    cached("prove", "a", lambda: {"of": "another unit"})
    assert evidence_jobs(unit, results) == []
    (shown,) = verification_facts(request, results).verdicts
    assert (shown.mutants, shown.proofs) == (it.mutants, it.proofs)


def test_the_keys_are_those_under_which_commands_keep_their_answers(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any]
) -> None:
    it = facts["verification"].verdicts[0]
    monkeypatch.setattr(score, "_scored", lambda *arguments: it.mutants)
    monkeypatch.setattr(prove, "_proofs", lambda *arguments: it.proofs.proofs[:1])
    monkeypatch.setattr(measure, "check", lambda *arguments, **options: it.found)
    unit = toy.unit()
    monkeypatch.setattr(measure, "find_unit", lambda name: unit)
    score.mutation_score(unit, unit.config())
    prove.prove(unit, unit.config())
    verified = verify_job(Chosen(name="toy/multiply")).work("toy/multiply", ())
    assert stored_score(verified) == it.mutants
    found = stored_proofs(verified)
    assert found is not None
    assert found.proofs == it.proofs.proofs[:1]
    other = verify_job(Chosen(name="toy/multiply")).work("toy/multiply", ("rounds=5",))
    assert stored_score(other) is None
    assert stored_proofs(other) is None


def test_what_was_not_measured_has_no_badge() -> None:
    measured = Card(label="Faults", value="190 of 200", note="")
    assert measured.badge == "measured"
    assert replace(measured, value=NOT_MEASURED).badge == ""
