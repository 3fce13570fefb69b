"""The sections of the report, in the order of the page."""

from typing import Any

from consilico.reports.accelerator.section import SECTION as ACCELERATOR
from consilico.reports.claims.section import SECTION as CLAIMS
from consilico.reports.comparison.section import SECTION as COMPARISON
from consilico.reports.consmax.section import SECTION as CONSMAX
from consilico.reports.datapaths.section import SECTION as DATAPATHS
from consilico.reports.estimates.section import SECTION as ESTIMATES
from consilico.reports.implementation.section import SECTION as IMPLEMENTATION
from consilico.reports.input.section import SECTION as INPUT
from consilico.reports.memories.section import SECTION as MEMORIES
from consilico.reports.memory.section import SECTION as MEMORY
from consilico.reports.page.section import Request, Section
from consilico.reports.power.section import SECTION as POWER
from consilico.reports.provenance.section import SECTION as PROVENANCE
from consilico.reports.scaling.section import SECTION as SCALING
from consilico.reports.system.section import SECTION as SYSTEM
from consilico.reports.training.section import SECTION as TRAINING
from consilico.reports.verification.section import SECTION as VERIFICATION

__all__ = ["SECTIONS", "sections_of"]

SECTIONS: tuple[Section[Any], ...] = (
    VERIFICATION,
    IMPLEMENTATION,
    CONSMAX,
    COMPARISON,
    DATAPATHS,
    SYSTEM,
    MEMORY,
    ACCELERATOR,
    TRAINING,
    CLAIMS,
    ESTIMATES,
    SCALING,
    MEMORIES,
    POWER,
    INPUT,
    PROVENANCE,
)


def sections_of(request: Request) -> tuple[Section[Any], ...]:
    """Return the sections that a request is shown in: all, or those about chosen units."""
    return tuple(section for section in SECTIONS if request.everything or section.always)
