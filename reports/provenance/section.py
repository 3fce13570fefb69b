"""The report's last section: tools, kits, and what its figures do and do not say."""

import platform
from dataclasses import dataclass
from importlib.metadata import version

from consilico.reports.page.measure import SEED, KitFacts, kit_facts
from consilico.reports.page.section import ReportResults, Request, Section
from consilico.sim.base.facts import Facts
from consilico.sim.base.tools import PACKAGES, PROGRAMS, tool_versions

__all__ = ["SECTION", "ProvenanceFacts"]


@dataclass(frozen=True, kw_only=True)
class ProvenanceFacts(Facts):
    """Code, machine and versions that the figures were made with."""

    consilico: str  # version
    machine: str
    tools: dict[str, str | None]  # version by name; None where it is missing
    kits: tuple[KitFacts, ...]
    seed: int  # of verification


def provenance_facts(request: Request, results: ReportResults) -> ProvenanceFacts:
    """Gather versions of tools and packages, and the kits asked for."""
    return ProvenanceFacts(
        consilico=version("consilico"),
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        tools=tool_versions([*PROGRAMS, *PACKAGES]),
        kits=tuple(kit_facts(name) for name in request.kits),
        seed=SEED,
    )


SECTION = Section(
    name="provenance",
    title="Provenance",
    facts=provenance_facts,
    template="provenance/template.html.j2",
    always=True,
)
