"""Parts of docs/memory.md that quote figures."""

from collections.abc import Callable
from typing import Any

from scripts.document_text import PEERS, paragraph, read_table, table


def memory_evidence() -> str:
    """Return how right the ledger is, by kind of evidence."""
    from consilico.reports.memory.facts import EvidenceRow, memory_facts
    from consilico.reports.memory.judgements import LIMITS_PCT, MemoryRows, judge_memory

    facts = memory_facts()
    rows: MemoryRows = judge_memory(facts).rows
    held, seen, peer, tracked = rows.errors
    kinds: dict[str, list[EvidenceRow]] = {}
    for row in facts.evidence:
        kinds.setdefault(row.kind, []).append(row)
    counted, printed = kinds["arithmetic"], kinds["convention"]
    missed = "; ".join(
        f"{row.published} {row.unit} in {row.source} cannot be derived (we count "
        f"{row.computed:.2f})"
        for row in counted
        if not row.exact
    )
    limits, aims = LIMITS_PCT["seen"], LIMITS_PCT["held out"]
    low, high = (getattr(facts.errors["held out"], end) for end in ("low_pct", "high_pct"))
    evidence = table(
        ("evidence", "found"),
        [
            (
                "arithmetic: LOMO Table 1, LoRAM Tables 4 and 5",
                f"{sum(row.exact for row in counted)} of {len(counted)} exact; {missed}",
            ),
            (
                "conventions: GaLore Tables 2 to 4 and 6, Q-GaLore 1 to 4, APOLLO 2 to 4 and 8",
                (
                    f"{sum(row.exact for row in printed)} of {len(printed)} printed figures are "
                    f"reproduced, digit for digit, by a named rule; the other "
                    f"{sum(not row.exact for row in printed)} are shown. The report also gives "
                    "what a straightforward count comes to"
                ),
            ),
            (
                f"measured: {held.runs} runs of others, held out",
                (
                    f"median {held.median.error_pct:.2f} % (target {aims['median']:g} %), "
                    f"{low:+.1f} to {high:+.1f} %; {facts.within_6_pct:.0%} within 6 %"
                ),
            ),
            (
                f"measured: {seen.runs} runs of others that were searched for causes of errors",
                (
                    f"median {seen.median.error_pct:.2f} %, worst "
                    f"{seen.worst.error_pct:.1f} % (targets {limits['median']:g} % and "
                    f"{limits['worst']:g} %)"
                ),
            ),
            (
                (
                    f"of these, the {peer.runs} of a peer that claims "
                    f"{peer.worst.limit_pct:g} % at worst"
                ),
                f"median {peer.median.error_pct:.2f} %, worst {peer.worst.error_pct:.1f} %",
            ),
            (
                f"our own execution at full size, {tracked.runs} runs under FakeTensorMode",
                (
                    f"median {_small(tracked.median.error_pct)} %, worst "
                    f"{tracked.worst.error_pct:.2f} % (target {tracked.worst.limit_pct:g} %)"
                ),
            ),
        ],
    )
    words = """No constant is fitted to any measured peak. What explains the measured runs was found
        in code: which tensors each version of a norm saves, that gradients set to zero and not to
        None stay alive, that `foreach` keeps a root of every second moment, that a mask is kept for
        each block, that a loss kernel's gradient takes the place of the float32 logits, that CUDA's
        softmax makes a product of its own in the backward pass, that FOAK's adapters keep no masks,
        that cuBLAS has a workspace for each thread that multiplies. Which runs are held out is a
        matter of their source: those of a source in which a cause was looked for are not."""
    return f"{evidence}\n\n{paragraph(words)}"


def memory_classes() -> str:
    """Return the ledger's error by class of run, and what the verdict says of known runs."""
    from consilico.reports.memory.facts import memory_facts

    facts = memory_facts()
    classes = table(
        ("class: method, framework, precision, sharding", "runs", "median", "lowest", "highest"),
        [
            (
                row.run_class, str(row.runs), f"{row.median_pct:.2f} %", f"{row.low_pct:+.2f} %",
                f"{row.high_pct:+.2f} %",
            )
            for row in facts.classes
        ],
    )  # fmt: skip
    held, fitted = facts.verdicts["held out"], facts.verdicts["fitted"]
    words = f"""On A100 80 GB, one, two or four, of {held.died} held-out runs that died
        {held.died_fits} are called `fits`, {held.died_tight} `tight` and {held.died_does_not_fit}
        `does not fit`; of {held.ran} that ran, {held.ran_fits}, {held.ran_tight} and
        {held.ran_does_not_fit}. Of those that the allocator's part was taken from,
        {fitted.died_fits}, {fitted.died_tight} and {fitted.died_does_not_fit} of {fitted.died}, and
        {fitted.ran_fits}, {fitted.ran_tight} and {fitted.ran_does_not_fit} of {fitted.ran}."""
    refuted = "; ".join(
        f"{row.model}, {row.label} ({row.source}): {row.arithmetic}" for row in facts.refuted
    )
    cannot = f"Published peaks that cannot be, on one GPU: {refuted}."
    return f"{classes}\n\n{paragraph(words)}\n\n{paragraph(cannot)}"


def memory_peers() -> str:
    """Return how far the ledger and other tools are off on the same measured runs."""
    from consilico.sim.memory.ledger import peak_bytes
    from scripts.memory_peers import peer_runs

    tools = read_table(PEERS)
    rows = []
    for item, *answers in zip(peer_runs(), *(tool["bytes"] for tool in tools), strict=True):
        run, peak = item.run, item.bytes_of("peak")
        ours = peak_bytes(run)
        checkpointed = ", checkpointing" if run.checkpointing != "none" else ""
        words = (
            f"{run.model.name}, {run.method_description.title}, {run.dtype}, {run.batch} by "
            f"{run.sequence:,} tokens{checkpointed}"
        )
        rows.append(
            [
                words,
                item.source.replace("_", " "),
                f"{peak / 1e9:.2f} GB",
                *(
                    "-" if said is None else f"{100 * (said / peak - 1):+z.1f} %"
                    for said in (ours, *answers)
                ),
            ]
        )
    names = [f"{tool['tool']} {tool['version']}" for tool in tools]
    return table(("run", "of", "measured", "consilico", *names), rows, "---:")


def memory_margins() -> str:
    """Return what the spread of each part of needed memory is, and where it comes from."""
    from consilico.sim.memory.evidence.allocator import (
        FITTED_SOURCES,
        fragmentation,
        reserved_shares,
    )
    from consilico.sim.memory.gpus import process_context

    share, context = fragmentation(), process_context()
    runs = len(list(reserved_shares(*FITTED_SOURCES)))
    mib = 2**20
    return paragraph(
        f"""The context of a process is taken as {context.value / mib:.0f} MiB, of
        {context.low / mib:.0f} (measured on a T4 with current PyTorch) to {context.high / mib:.0f};
        the driver's part is in `gpus.toml`. The allocator's part is {share.value:.0%} of the peak
        less what lives all along, the median of {runs} measured runs; nine of ten hold at most
        {share.high:.0%}. With expandable segments hardly any is left, and PyTorch gives whole
        blocks back before it fails: the lower bound is none."""
    )


def _small(error: float) -> str:
    return f"{error:.3f}" if error >= 0.0005 else "below 0.001"


def memory_headline() -> str:
    """Return what the ledger says of Q-GaLore's published run on its GPU."""
    from consilico import api
    from consilico.sim.memory.evidence.peaks import measured_runs

    def run(*, published: bool) -> Any:
        return api.training_run(
            "llama-7b", method="q-galore", published=published, rank=1024, sequence=256,
            per_layer=True, states_block=2048,
        )  # fmt: skip

    theirs = api.memory(run(published=True), gpu="rtx4060ti-16gb").to_json()
    ours = api.memory(run(published=False)).peak_bytes
    stated = next(r for r in measured_runs() if r.published == 15.08)  # by which it is found
    peak, spare = theirs["peak_bytes"], theirs["headroom_bytes"]
    needed, verdict = theirs["needed_bytes"], theirs["verdict"]
    return paragraph(
        f"""Q-GaLore's headline, LLaMA-7B on a 16 GB RTX 4060 Ti: `{verdict}`, {peak / 1e9:.2f} GB
        ({peak / 2**30:.2f} GiB) of tensors at the peak, where its authors report
        {stated.published:g} {stated.unit}, with {spare / 1e9:.1f} GB likely to spare after context
        and allocator (needed: {needed["low"] / 1e9:.1f} to {needed["high"] / 1e9:.1f} GB). Packing
        two INT4 codes into a byte and freeing the gradients of the embeddings, as our optimizer
        does, lowers the peak to {ours / 1e9:.2f} GB."""
    )


def memory_time() -> str:
    """Return how near published runs come to the roofline."""
    from consilico.reports.memory.facts import memory_facts
    from consilico.sim.memory.step_time import REACHED, REACHED_BY

    facts = memory_facts()
    reached = [row.ratio for row in facts.times]
    unsure = sum(not row.stated for row in facts.times)
    cost = facts.throughput_cost
    words = f"""- Time is a roofline estimate: {len(reached)} published runs reach
        {min(reached):.2f} to {max(reached):.2f} of it; the settings of {unsure} of them are not all
        stated, which is how a ratio can be above 1. Answers print it next to the time expected at
        {REACHED.value:g} of it ({REACHED.low:g} to {REACHED.high:g}), which {REACHED_BY} reached.
        SVDs are scaled from the one published time, ten minutes on an A6000 for all of LLaMA-7B.
        Q-GaLore's published loss of throughput against GaLore, {cost.published_pct:g} %, is
        estimated as {cost.estimated_pct:.0f} % ({cost.setting}); the batch and GPU behind the
        published figure are not stated."""
    return paragraph(words).replace("\n", "\n  ")


PARTS: dict[str, Callable[[], str]] = {
    "memory_classes": memory_classes,
    "memory_evidence": memory_evidence,
    "memory_headline": memory_headline,
    "memory_margins": memory_margins,
    "memory_peers": memory_peers,
    "memory_time": memory_time,
}
