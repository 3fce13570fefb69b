"""Mutation score of anyone's design: how many faults in it would verification notice?"""

from consilico.golden.config import Config
from consilico.sim.base.progress import Progress
from consilico.sim.rtlsim.foreign.design import ForeignDesign
from consilico.sim.rtlsim.foreign.fit import fit
from consilico.sim.rtlsim.foreign.mapping import Mapping as PortMap
from consilico.sim.rtlsim.foreign.sources import check_tasks
from consilico.sim.rtlsim.mutation.score import MutationScore, mutation_score
from consilico.sim.units.unit import Unit

__all__ = ["mutate_design"]


def mutate_design(
    design: ForeignDesign,
    port_map: PortMap | None,
    unit: Unit,
    config: Config,
    count: int,
    seed: int,
    progress: Progress | None = None,
    *,
    trust: bool = False,
) -> MutationScore:
    """Put faults into anyone's design, and return how many its verification as a unit notices.

    The wrapper that connects its ports to the unit's streams gets no faults. Lines of survivors are
    those of the design's files; where only slang reads them, those of what slang made of them.
    With several clocks no mutant is proved equivalent: there is no cycle to compare in.

    Args:
        design: The design.
        port_map: How its ports serve the unit's streams; None where they are those streams.
        unit: The unit that it shall be.
        config: The unit's configuration.
        count: Mutants wanted.
        seed: Seed of stimulus, stalls and choice of mutants.
        progress: Called after each replay with a label, replays done and replays in all.
        trust: Whether the text may call what reaches files and programs.

    Raises:
        UserError: If a tool is missing, the mapping does not fit the design or the unit, or the
            text is not trusted and calls what reaches files or programs.
        CheckFailed: If the design fails without a fault.
    """
    if not trust:
        check_tasks(design.sources.text, design.source)
    fitted = fit(design, port_map, unit, config)
    return mutation_score(
        fitted.unit, config, count, seed, progress,
        text=fitted.renamed(design.synthesized()), sound=fitted.around,
        timed=fitted.clocks,
    )  # fmt: skip
