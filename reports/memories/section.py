"""The report's section on buffers: what is gathered for it."""

from consilico.reports.memories.charts import buffer_charts
from consilico.reports.memories.facts import BufferFacts, buffer_facts
from consilico.reports.page.section import ReportJob, Section

__all__ = ["SECTION"]

_JOB = ReportJob(
    work=buffer_facts,
    label="buffers in flip-flops, latches and SRAM",
    command="consilico buffer --words 64 --bits 32",
    cpu_s=20,
    early=True,
)

SECTION = Section(
    name="memories",
    title="Buffers on chip",
    jobs=lambda request, results: [_JOB],
    facts=lambda request, results: results.facts(_JOB, BufferFacts),
    charts=buffer_charts,
    template="memories/template.html.j2",
)
