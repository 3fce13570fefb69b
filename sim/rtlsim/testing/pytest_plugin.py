"""A pytest plugin: the fixture ``simulate`` runs cocotb tests on a unit or on anyone's Verilog.

pytest loads it wherever Consilico is installed. A test that uses the fixture runs once for each
simulator that ``--consilico-sim`` names.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from consilico.sim.rtlsim.testing.simulate import TestRun, Waves

__all__ = ["Simulate"]

_SIMULATOR = "consilico_simulator"


class Simulate:
    """The fixture ``simulate``: call it with a file of cocotb tests.

    Args:
        folder: Folder that files are relative to.
        simulator: Name of the simulator.
        seed: Of random numbers in the tests.
        waves: When to keep a waveform: ``never``, ``failed`` or ``always``.
        waves_folder: Where to.
    """

    def __init__(
        self, folder: Path, simulator: str, seed: int, waves: "Waves", waves_folder: Path
    ) -> None:
        self._folder, self._simulator, self._seed = folder, simulator, seed
        self._waves, self._waves_folder = waves, waves_folder

    def __call__(
        self,
        test: str | Path,
        *,
        unit: str | None = None,
        config: Mapping[str, int | str | bool] | None = None,
        ports: str = "stream",
        rtl: Sequence[str | Path] = (),
        top: str | None = None,
        testcase: str | None = None,
        limit_s: float = 3600.0,
    ) -> "TestRun":
        """Run the cocotb tests of a Python file, and fail if one of them fails or none ran.

        A waveform of what failed is kept in the test's ``tmp_path``, and the message names it.

        Args:
            test: The file, relative to the one that the pytest test is in.
            unit: Name of a unit to generate; with ``rtl`` the unit that the Verilog claims to be.
            config: Fields of its configuration; the rest keeps its defaults.
            ports: ``stream`` or ``axi``, as of ``consilico generate --ports``.
            rtl: Verilog files, relative likewise, instead of what the unit's generator writes.
            top: Their top module.
            testcase: Names of the tests to run, by commas; all if not given.
            limit_s: Wall clock that the simulation may take.

        Returns:
            What ran.
        """
        __tracebackhide__ = True
        from consilico.sim.base.errors import UserError
        from consilico.sim.rtlsim.testing.simulate import DesignUnderTest, check_test
        from consilico.sim.rtlsim.testing.simulate import simulate as run_tests
        from consilico.sim.units.catalogue import configure, find_unit

        try:
            check_test(self._folder / test)
            settings = [f"{name}={value}" for name, value in (config or {}).items()]
            found = None if unit is None else find_unit(unit)
            chosen = None if found is None else configure(found, settings)
            if rtl:
                if top is None:
                    raise UserError("rtl needs top, the name of its top module")
                files = [self._folder / file for file in rtl]
                design = DesignUnderTest.of_files(files, top, found, chosen)
            elif found is not None and chosen is not None:
                design = DesignUnderTest.of_unit(found, chosen, ports)
            else:
                raise UserError("name what to test: unit, or rtl and top")
            done = run_tests(
                self._folder / test, design, self._simulator, seed=self._seed, waves=self._waves,
                waves_folder=self._waves_folder, testcase=testcase, limit_s=limit_s,
            )  # fmt: skip
        except UserError as error:
            pytest.fail(str(error), pytrace=False)
        if not done.passed:
            pytest.fail(_described(done), pytrace=False)
        return done


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's options to those of pytest."""
    group = parser.getgroup("consilico", "Consilico: cocotb tests on simulators")
    group.addoption(
        "--consilico-sim",
        default="icarus",
        metavar="NAMES",
        help="simulators to run on, by commas: icarus, verilator (default: icarus)",
    )
    group.addoption(
        "--consilico-waves",
        default="failed",
        choices=("never", "failed", "always"),
        help="when to keep a waveform (default: failed)",
    )
    group.addoption(
        "--consilico-seed",
        default=1,
        type=int,
        metavar="N",
        help="seed of random numbers in cocotb tests (default: 1)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses the fixture once for each simulator."""
    if _SIMULATOR in metafunc.fixturenames:
        names = metafunc.config.getoption("--consilico-sim").split(",")
        metafunc.parametrize(_SIMULATOR, [name.strip() for name in names])


@pytest.fixture
def simulate(consilico_simulator: str, request: pytest.FixtureRequest, tmp_path: Path) -> Simulate:
    """Return what runs cocotb tests; :class:`Simulate` says what it takes."""
    return Simulate(
        request.path.parent,
        consilico_simulator,
        request.config.getoption("--consilico-seed"),
        request.config.getoption("--consilico-waves"),
        tmp_path,
    )


def _described(run: Any) -> str:
    ran = f"{run.failed} of {run.tests} cocotb tests failed" if run.tests else "no cocotb test ran"
    lines = [
        f"{run.module} on {run.simulator} {run.simulator_version}, seed {run.seed}: {ran}",
        *run.problems,
        *([f"waveform: {run.waveform}"] if run.waveform else []),
        "",
        run.log,
    ]
    return "\n".join(lines)
