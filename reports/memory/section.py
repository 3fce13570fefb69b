"""The report's section on training memory: what is gathered for it."""

from consilico.reports.memory.charts import memory_charts
from consilico.reports.memory.facts import MemoryFacts, memory_facts
from consilico.reports.memory.judgements import judge_memory
from consilico.reports.page.section import ReportJob, Section

__all__ = ["SECTION"]

_JOB = ReportJob(
    work=memory_facts,
    label="training memory: ledger, evidence, what fits where",
    command="consilico memory --model llama-7b --method q-galore",
    cpu_s=6,
    early=True,
)

SECTION = Section(
    name="memory",
    title="Training memory",
    jobs=lambda request, results: [_JOB],
    facts=lambda request, results: results.facts(_JOB, MemoryFacts),
    judge=judge_memory,
    charts=memory_charts,
    template="memory/template.html.j2",
)
