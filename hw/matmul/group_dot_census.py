"""Count the operators of :mod:`consilico.hw.matmul.group_dot` without elaborating it."""

from consilico.golden.matmul.group_dot import SUM
from consilico.golden.matmul.operand import sum_width
from consilico.hw.bfloat16 import from_integer_census
from consilico.hw.census import Batch, Census, bit_length
from consilico.hw.matmul.dot import accumulate_census
from consilico.hw.matmul.group_dot import STAGES, fixed_scale_census
from consilico.hw.matmul.group_lanes import lanes_census, pass_tables
from consilico.hw.matmul.group_scaler import scaler_census
from consilico.hw.pipeline import pipeline_census

__all__ = ["census"]


def census(c: Batch) -> Census:
    """Return operators of :class:`~consilico.hw.matmul.group_dot.GroupDot`, and longest paths."""
    both, groups = ("x", "q"), 1 / c.beats
    made = pipeline_census(STAGES, delivers=True)
    made.include(_control_census(c))

    # stages 1 and 2: codes less the zero point, times activations
    made.add("and_or", 8 * c.lanes, ("q",))
    width = c.of(lambda config: sum_width(config.lanes, -128 * 10, 128 * 10))
    lanes, multiplied = lanes_census(c.lanes, width, ("x",), ("q",))
    made.include(lanes)
    made.path(*multiplied)
    made.add("add", width + 1, both)
    last, accumulated = accumulate_census(c.group_width, 0, both)
    made.include(last)
    made.path(("add", width + 1, 1), *accumulated)

    # scaling of a group while the next one comes in
    made.include(_scale_census(c))
    scaler, scaled = scaler_census(
        c.group_width, c.multiplier_width, c.slice_width, 1, both, groups=groups
    )
    made.include(scaler)
    made.path(*scaled)
    if c.scale == "bf16":
        made.path(*fixed_scale_census(("scale",), 1)[1])
    if c.output == "bf16":
        made.add("clock_gate", 3)
        made.add("and_or", 2)
        made.add("flop", 16, rate=groups)  # the exponents of the group and of the sum
        made.include(pipeline_census(1))
        # the sum that it sees turns while a group is scaled
        encoded, steps = from_integer_census(SUM, both)
        made.include(encoded, rate=c.slots * groups)
        made.add("flop", 17, both, rate=groups)
        made.path(*steps)
    return made


def _control_census(c: Batch) -> Census:
    """Return the operators that count passes of a beat and beats of a group."""
    made = Census()
    for table in pass_tables():
        made.add("lookup", table.bit_length(), ("zero",))
    count = bit_length(c.beats - 1)
    made.add("and_or", 11 + count)
    made.add("mux", 1 + count)
    made.add("increment", (count + 1) * (count > 0))
    made.add("equal", count * (count > 1))
    made.add("flop", 1 + count + 3 + 2)
    made.add("clock_gate", 2)
    return made


def _scale_census(c: Batch) -> Census:
    """Return the operators that bring a group's scale from the stream to the scaler."""
    made = Census()
    drivers, groups = ("scale",), 1 / c.beats
    fixed = c.scale == "bf16"
    if fixed:
        made.include(fixed_scale_census(drivers, 1)[0])  # each beat brings one
    if fixed or c.output == "bf16":
        made.add("mux", 8)
        made.add("clock_gate", 1)
        made.add("flop", 8, rate=0)
    of_group = c.multiplier_width + 2 * fixed
    arrives = of_group + 8 * (c.output == "bf16") + 1
    early = c.beats < STAGES
    soon = c.beats < -(-c.group_width // c.slice_width) + STAGES
    made.add("clock_gate", soon)
    made.add("flop", arrives * (1 + 2 * early) + of_group * soon, drivers, rate=groups)
    return made
