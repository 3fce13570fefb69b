"""State what units for whole rows promise about their streams, and why it follows by induction."""

from consilico.golden.attention.rows import RowConfig
from consilico.sim.units.contract import Contract, PerBeat
from consilico.sim.units.row_timing import RowTiming

__all__ = ["row_contract"]

_ROW = """\
  reg [{top}:0] beats = 0;  // of the row so far; {most}: as many as it may have, or more
  always @(posedge clk)
    if (rst) beats <= 0;
    else if (take) beats <= i_last ? 0 : beats == {most} ? beats : beats + 1;
"""


def row_contract(
    config: RowConfig, timing: RowTiming, prepared: dict[str, PerBeat], left: str = ""
) -> Contract:
    """Return what a unit for rows promises of its streams.

    Args:
        config: The unit.
        timing: Its cycles.
        prepared: How often further gated clocks may tick, by their domains.
        left: Name of the net that counts the cycles of preparation which are left, if it takes
            more than one.
    """
    most = config.beats
    stages = (
        *(f"gather_stage{stage}" for stage in range(timing.gather)),
        *(f"deliver_stage{stage}" for stage in range(timing.deliver)),
    )
    ticks = dict.fromkeys((*stages, "capture", "start"), PerBeat())
    # these tick in every cycle of a reset, and what belongs to a row once in addition
    ticks |= dict.fromkeys(("written", "read", "greatest", "total"), PerBeat(ticks=2))
    if timing.constants:
        ticks |= {
            "constants": PerBeat(stream="cfg"),
            "apply": PerBeat(stream="cfg", ticks=2),  # also in every cycle of a reset
        }
    # a row may have to wait until that of the row before is prepared
    wait_cycles = timing.latency + timing.survey + timing.prepares + 1
    known = not timing.survey  # no lemmas are known of a unit that reads a row once more before
    return Contract(
        completes=f"beats == {most} ? 1 : i_last || beats == {most - 1} ? beats + 1 : 0",
        closes="i_last",
        state=_ROW.format(top=most.bit_length() - 1, most=most),
        most_due=2 * most - 1,  # a buffer, and what is in the stages behind it
        wait_cycles=wait_cycles,
        beat_clocks={f"{domain}_clk": often for domain, often in (ticks | prepared).items()},
        ready={"cfg": "1"} if timing.constants else {},
        lemmas=_lemmas(config, timing, wait_cycles) if known else (),
        lemma_state=_lemma_state(config, timing) if known else "",
        lemma_nets=_lemma_nets(timing, left) if known else {},
    )


def _lemma_nets(timing: RowTiming, left: str) -> dict[str, str]:
    nets = {
        name: name
        for name in ("written", "read", "next_end", "waiting", "active", "closing", "long")
    }
    nets["row_end"] = "end"
    nets |= {f"gathers{stage}": f"gather_valid{stage}" for stage in range(timing.gather)}
    nets |= {f"delivers{stage}": f"deliver_valid{stage}" for stage in range(timing.deliver)}
    if timing.constants:
        nets |= {"begun": "begun", "fresh": "fresh"}
    if left:
        nets["left"] = left
    return nets


def _lemma_state(config: RowConfig, timing: RowTiming) -> str:
    """Return where the words of the buffer belong to, and how soon a result may be expected.

    In the order in which they came, its words are of the row that is delivered, of the one that
    waits to be delivered, and of the one that is gathered.
    """
    top = config.beats.bit_length() - 1  # places are counted modulo twice as many as there are
    gather, deliver = timing.gather, timing.deliver
    words = f"wire [{top}:0]"
    on_the_way = " + ".join(f"delivers{stage}" for stage in range(deliver))
    arrives = "".join(
        f"delivers{stage} ? {deliver - 1 - stage} : " for stage in reversed(range(deliver))
    )
    # the last beat of a row is the one that came last
    drained = "".join(f"gathers{stage} ? {gather - 1 - stage} : " for stage in range(gather))
    nothing = "" if timing.prepares else "  wire left = 0;\n"
    fresh = "fresh && !begun" if timing.constants else "0"
    return f"""{nothing}\
  wire applies = {fresh};  // constants, before the first beat of a row is taken
  {words} held = written - read;
  {words} going = active ? row_end - read : 0;
  {words} queued = waiting ? next_end - read - going : 0;
  {words} gathered = held - going - queued;
  wire gathers = {" || ".join(f"gathers{stage}" for stage in range(gather))};
  wire [15:0] on_the_way = {on_the_way};
  wire [15:0] drained_cycles = {drained}0;
  wire [15:0] result_cycles = {arrives}active || (long && held != 0) ? {deliver}
    : waiting ? {deliver + 1} + left : closing ? {deliver + 2 + timing.prepares} + drained_cycles
    : {deliver + 1};
"""


def _lemmas(config: RowConfig, timing: RowTiming, wait_cycles: int) -> tuple[str, ...]:
    most = config.beats
    gathered = "closing ? beats == 0 && gathered != 0 : gathered == beats"
    too_long = f"!active && !waiting && beats == (closing ? 0 : {most})"
    return (
        f"held <= {most} && going <= held && queued <= held - going",
        "(!active || going != 0) && (!waiting || queued != 0)",
        f"long ? {too_long} : {gathered}",
        "!closing || gathers",
        *((f"!waiting || left <= {timing.prepares}",) if timing.prepares else ()),
        *(("begun == (beats != 0)",) if timing.constants else ()),
        f"due + 0 == held - (beats == {most} ? 0 : beats) + on_the_way",
        f"due == 0 || o_valid || overdue_cycles + result_cycles < {timing.latency}",
        "due == 0 || stuck_cycles <= overdue_cycles",
        f"due != 0 || stuck_cycles + (closing ? drained_cycles : 0) + applies < {wait_cycles}",
    )
