"""What the catalogue gives its units."""

import subprocess
import sys

import pytest

from consilico.sim.units.unit import deferred


def test_deferred_function_is_imported_when_called() -> None:
    code = (
        "import sys\nfrom consilico.sim.units.catalogue import deferred\n"
        "call = deferred('fractions', 'Fraction')\n"
        "before = 'fractions' in sys.modules\n"
        "print(before, call(3, 6))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "1/2"]


def test_name_that_is_missing_is_told_when_called() -> None:
    call = deferred("consilico.hw.matmul.dot", "Dote")
    with pytest.raises(AttributeError, match="Dote"):
        call()
