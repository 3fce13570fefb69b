"""What the report shows: every row, figures that can be drawn, scenarios that differ."""

from consilico.reports.accelerator.charts import training_hw_charts
from consilico.reports.accelerator.facts import training_hw_facts


def test_the_report_has_scenarios_methods_and_figures() -> None:
    facts = training_hw_facts()
    rows = {row["label"]: row for row in facts["scenarios"]}
    assert rows["int8, full SVD"]["energy_j"] == facts["headline"]["energy_j"]
    assert rows["bf16, full SVD"]["energy_j"]["value"] > facts["headline"]["energy_j"]["value"]
    assert rows["int8, randomised SVD"]["time_s"]["value"] < facts["headline"]["time_s"]["value"]
    methods = {row["label"]: row for row in facts["methods"]}
    assert "svd" in methods["Q-GaLore"]["phases"]
    assert "svd" not in methods["AdamW"]["phases"]
    batches = facts["batches"]
    a_token = [row["energy_j"]["value"] / row["tokens"] for row in batches]
    assert a_token == sorted(a_token, reverse=True)  # what follows the gradients is shared out
    for chart in training_hw_charts(facts):
        assert chart.kind == "estimated"
        assert chart.conditions.startswith("nangate45, ")
        assert all(any(series.y) for panel in chart.panels for series in panel.series)
