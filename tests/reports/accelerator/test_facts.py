"""What the report shows: every row, figures that can be drawn, scenarios that differ."""

from consilico.reports.accelerator.charts import training_hw_charts
from consilico.reports.accelerator.facts import TrainingHwFacts, training_hw_facts


def test_the_report_has_scenarios_methods_and_figures() -> None:
    facts = training_hw_facts()
    assert TrainingHwFacts.from_json(facts.to_json()) == facts
    rows = {row.label: row for row in facts.scenarios}
    headline = facts.headline
    assert headline.energy_j.to_json() == facts.answer["energy_j"]
    assert rows["int8, full SVD"].energy_j == headline.energy_j
    assert rows["bf16, full SVD"].energy_j.value > headline.energy_j.value
    assert rows["int8, randomised SVD"].time_s.value < headline.time_s.value
    phases = {row.label: {phase.phase for phase in row.phases} for row in facts.methods}
    assert "svd" in phases["Q-GaLore"]
    assert "svd" not in phases["AdamW"]
    per_token = [row.energy_per_token_mj for row in facts.batches]
    assert per_token == sorted(per_token, reverse=True)  # what follows the gradients is shared out
    for chart in training_hw_charts(facts):
        assert chart.kind == "estimated"
        assert chart.conditions.startswith("nangate45, ")
        assert all(any(series.y) for panel in chart.panels for series in panel.series)
