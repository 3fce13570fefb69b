"""Facts of the report on silicon: from checked-in tables as they are, the others small."""

from dataclasses import replace
from functools import cache
from typing import Any

from consilico.reports.accelerator.facts import training_hw_facts
from consilico.reports.estimates.facts import estimate_facts
from consilico.reports.memories.facts import buffer_facts
from consilico.reports.power.facts import PeakWindow, PowerFacts, PowerOverTime, UnitPower
from consilico.reports.scaling.facts import scaling_facts
from consilico.sim.silicon.power.accuracy import accuracy_table
from consilico.sim.silicon.power.report import Power
from tests.reports.test_implementation import facts as implementation

_PART = Power(2e-4, 1e-4, 3e-5)


def small_silicon() -> dict[str, Any]:
    """The keys that the facts by section have for silicon and its models."""
    return {"implementation": implementation(), "power": _power(), **_from_tables()}


@cache
def _from_tables() -> dict[str, Any]:
    estimates = estimate_facts()
    return {
        "memories": buffer_facts(),
        "scaling": scaling_facts(),
        "estimates": replace(estimates, kits={"nangate45": estimates.kits["nangate45"]}),
        "accelerator": training_hw_facts(),
    }


def _power() -> PowerFacts:
    return PowerFacts(
        accuracy=accuracy_table(),
        synthetic=False,
        unit=UnitPower(
            unit="consmax/split", config={}, traffic="model", kit="nangate45", node_nm=45,
            corner="typical", voltage_v=1.1, clock_ns=4.0, cycles=48.0, total=_PART,
            by_class={"sequential": _PART, "combinational": _PART},
            by_module={"consmax_split": _PART, "lane0": _PART}, window_cycles=16,
            profile=PowerOverTime(
                window_s=6.4e-8, start_s=(0.0, 6.4e-8, 1.28e-7), recorded_s=(6.4e-8,) * 3,
                power_w=(3.1e-4, 3.6e-4, 3.2e-4),
                peak=PeakWindow(start_s=6.4e-8, power_w=3.6e-4),
            ),
        ),
    )  # fmt: skip
