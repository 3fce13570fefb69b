"""pytest starts the benches of this folder: ``pytest --consilico-sim icarus,verilator``."""

import pytest

from consilico.sim.rtlsim.testing.pytest_plugin import Simulate

LANES = {"lanes": 4}


@pytest.mark.parametrize("bench", ["bench_plain", "bench_coverage", "bench_uvm"])
def test_consmax(simulate: Simulate, bench: str) -> None:
    """The unit that Consilico generates, in one configuration."""
    simulate(f"{bench}.py", unit="consmax/log2", config=LANES)


def test_consmax_with_the_ports_of_axi_stream(simulate: Simulate) -> None:
    """The same unit behind AXI-Stream, driven by cocotbext-axi."""
    run = simulate("bench_axi.py", unit="consmax/log2", config=LANES, ports="axi")
    assert run.tests == 1
