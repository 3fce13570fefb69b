"""Write down what the ledger gives for the measured runs.

An answer states the error of its class of runs. Counting those runs again takes longer than the
answer itself, so ``kept_peaks.json`` has their classes and peaks: ``python -m
consilico.sim.memory.evidence.kept_peaks`` (part of ``make documents``) writes it, and a test fails
where the ledger says anything else by now.
"""

import json
import sys

from consilico.sim.base.files import write_atomic
from consilico.sim.memory.evidence.peaks import class_of
from consilico.sim.memory.evidence.tables import KEPT, KeptPeak, runs_on_gpu
from consilico.sim.memory.ledger import peak_bytes

__all__ = ["counted_peaks", "main"]


def counted_peaks() -> dict[str, KeptPeak]:
    """Return what belongs into the file: the peaks of all runs that did not die, counted anew."""
    return {
        item.words: KeptPeak(run_class=class_of(item.run), bytes=int(peak_bytes(item.run)))
        for item in runs_on_gpu()
        if not item.died
    }


def main() -> int:
    """Write the table of peaks that the ledger gives today."""
    found = {words: peak.to_json() for words, peak in counted_peaks().items()}
    write_atomic(KEPT, json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
