"""cocotb-coverage next to Consilico's parts: cover points on what the monitors see.

Needs ``pip install cocotb-coverage``.
"""

import random
from typing import Any

import cocotb
from cocotb_coverage.coverage import CoverCross, CoverPoint, coverage_db, coverage_section

from consilico.testing import Beat, Bench

_SIGNS = coverage_section(
    CoverPoint("scores.sign", xf=lambda score, mask: (score > 0) - (score < 0), bins=[-1, 0, 1]),
    CoverPoint("scores.mask", xf=lambda score, mask: mask, bins=[0, 1]),
    CoverCross("scores.both", items=["scores.sign", "scores.mask"]),
)


@_SIGNS
def sample(score: int, mask: int) -> None:
    """Count the score and the mask of a lane."""


@cocotb.test()
async def every_sign_masked_or_not(dut: Any) -> None:
    """Positive, negative and zero scores come, masked and not."""
    bench = await Bench.start(dut)

    def note(beat: Beat) -> None:
        fields = bench.i.stream.unpack(beat.payload)
        scores, masks = fields["score"], fields["mask"]
        assert isinstance(scores, list)
        assert isinstance(masks, list)
        for score, mask in zip(scores, masks, strict=True):
            sample(score, mask)

    bench.monitors["i"].callbacks.append(note)
    await bench.configure(k=11357, b=3000)
    for _ in range(50):
        scores = [random.choice((-7, 0, 7)) for _ in range(4)]
        await bench.send(score=scores, mask=[random.randint(0, 1) for _ in range(4)])
    await bench.finish()
    assert coverage_db["scores.both"].cover_percentage == 100
