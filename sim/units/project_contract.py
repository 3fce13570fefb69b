"""State what the projection unit promises about its streams, and why that follows by induction."""

from consilico.golden.training.project import ProjectConfig
from consilico.sim.units.contract import Contract, PerBeat, clocked_by

__all__ = ["contract"]

_GROUPS = """\
  reg ends = 0, ended_before = 0;  // whether the last group ends a sum, and the one before it
  always @(posedge clk)
    if (rst) {ends, ended_before} <= 0;
    else if (take && i_last) {ends, ended_before} <= {i_end, ends};
"""


def contract(config: ProjectConfig) -> Contract:
    """Return what a projection unit promises."""
    # the last beat of a group waits until the sums of the group before are scaled
    wait_cycles = config.cycles + config.slots + 2
    return Contract(
        completes=f"i_last && i_end ? {config.results} : 0",
        most_due=4 * config.results - 1,
        late_cycles=_late_cycles(config),
        wait_cycles=wait_cycles,
        beat_clocks=_beat_clocks(config),
        state=_GROUPS,
        lemmas=_lemmas(config, wait_cycles),
        lemma_nets=_lemma_nets(config),
        lemma_state=_lemma_state(config),
    )


def _beat_clocks(config: ProjectConfig) -> dict[str, PerBeat]:
    """Return how often clocks tick: for a beat, or for what the last beat of a group sets off."""
    rows, results, array = config.rows, config.results, config.array
    down, across = array.cluster_rows, array.cluster_columns
    per_group = {"ends": 1, "row": rows, "scales": results, "scaler.begins": results}
    per_group |= {
        "scaler.turns": config.slots * results,
        "scaler.moves": (config.slots + 1) * results,
    }
    for row in range(down):
        # a row of clusters takes its own sums, and moves on until those above it have passed
        per_group |= {
            f"array.drain{row}_{stage}": rows - down + row + 1
            for stage in range(row + 1, row + across + 1)
        }
    per_group |= {f"array.deliver{stage}": rows for stage in range(down + 1, down + across)}
    computes = [f"array.compute{stage}" for stage in range(down + across)]
    return {
        **clocked_by(0, i=computes, cfg=("constants",)),
        **{
            f"{domain}_clk": PerBeat(where=("last",), ticks=ticks)
            for domain, ticks in per_group.items()
        },
        # a product of 0 carries nothing to the upper part of a sum, which a group's first clears
        **{
            f"array.cell{row}_{column}.carry_clk": PerBeat(
                where=(f"lane{config.rows - 1 - row}/x", "last")
            )
            for row in range(config.rows)
            for column in range(config.columns)
        },
    }


def _stages(config: ProjectConfig) -> int:
    """Return the stages of the array, which hold rows of sums that leave."""
    return config.array.cluster_rows + config.array.cluster_columns


def _late_cycles(config: ProjectConfig) -> int:
    """Return the longest time in cycles from the last beat of a sum to its first result.

    The first row is there and the scaler has done with the last sum of the group before, which a
    consumer may have held up.
    """
    return max(_stages(config) + 2, config.slots) + config.slots + 1


def _lemma_nets(config: ProjectConfig) -> dict[str, str]:
    nets = {name: name for name in ("left", "gone", "drains")}
    nets |= {"full": "scaler.i__valid", "free": "scaler.i__ready"}
    nets |= {"advance": "array.advance", "end_held": "end"}
    nets |= {"column": "column"} if config.columns > 1 else {}
    nets |= {"slot": "scaler.slot"} if config.slots > 1 else {}
    delivers = 3 + config.array.cluster_rows  # the last tag
    for stage in range(_stages(config)):
        nets[f"valid{stage}"] = f"array.valid{stage}"
        nets[f"delivers{stage}"] = f"array.tags{stage}[{delivers}]"
    return nets


def _lemma_state(config: ProjectConfig) -> str:
    """Return where the sums of the last group are: row by row they leave the cells for the scaler.

    First they wait in the array's cells, then a stage of the array has them, then the row whose
    sums the scaler takes one by one.
    """
    columns, results, slots = config.columns, config.results, config.slots
    stages, per_sum = _stages(config), slots + 1
    moving = [f"(valid{stage} && delivers{stage})" for stage in range(stages)]
    arrives = "".join(f"{moving[stage]} ? {stages - stage} : " for stage in reversed(range(stages)))
    left_for = "".join(f"{moving[stage]} ? {stage + 1} : " for stage in range(stages))
    constants = "" if columns > 1 else "  wire column = 0;\n"
    constants += "" if slots > 1 else "  wire slot = 0;\n"
    return f"""{constants}\
  wire scaling = !free && !(o_valid && !o_ready);
  wire scaled_ends = left == {results} ? ended_before : ends;
  wire [15:0] on_the_way = {columns} * ({" + ".join(moving)}) + (full ? {columns} - column : 0);
  wire [15:0] in_cells = left - on_the_way;
  // cycles until the scaler may take a sum: until there is a row, and until it is done
  wire [15:0] row_cycles = full ? 0 : {arrives}{stages + 1} + pause;
  wire [15:0] busy_cycles = scaling ? {slots} - slot : 0;
  wire [15:0] next_cycles = row_cycles > busy_cycles ? row_cycles : busy_cycles;
  wire [15:0] result_cycles = scaling && scaled_ends ? busy_cycles : next_cycles + {per_sum};
  // cycles since a row left the cells: how far the last one has come, if nothing stalls
  wire [15:0] scaled_cycles = full && column == 0 ? 0
    : {per_sum} * (full ? column : {columns}) - busy_cycles;
  wire [15:0] since_cycles = {left_for}{stages + 1} + scaled_cycles;
  reg [15:0] pause = 0;  // cycles until the next one may leave
  always @(posedge clk)
    pause <= rst ? 0 : drains && advance ? {columns * per_sum - 1} : pause - (pause != 0);
"""


def _lemmas(config: ProjectConfig, wait_cycles: int) -> tuple[str, ...]:
    rows, columns, results, slots = config.rows, config.columns, config.results, config.slots
    return (
        "full || column == 0",
        f"left <= {results} && on_the_way <= left",
        f"gone != 0 || in_cells == 0 || in_cells == {results}",
        f"gone == 0 || in_cells == {columns} * ({rows} - gone)",
        "drains == (in_cells != 0 && pause == 0)",
        "left == 0 || end_held == ends",
        "due + 0 == (ends ? left : 0) + (scaling && scaled_ends) + o_valid",
        # a row leaves the cells when the scaler is done with the one before it
        f"pause == 0 || pause + since_cycles <= {columns * (slots + 1)}",
        f"due == 0 || o_valid || overdue_cycles + result_cycles < {_late_cycles(config)}",
        f"left == 0 || stuck_cycles + {slots + 1} * (left - 1) + next_cycles <= {wait_cycles}",
    )
