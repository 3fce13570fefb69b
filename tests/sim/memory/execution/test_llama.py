"""The LLaMA decoder against a direct computation, and its variants against each other."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from consilico.sim.memory.architecture import Architecture, Block, Mixture, Mlp
from consilico.sim.memory.execution.llama import Llama
from consilico.sim.memory.execution.training_step import add_lora
from consilico.sim.memory.llama_family import decoder, llama_parts

ARCH = decoder(
    name="tiny",
    hidden=24,
    intermediate=40,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=8,
    vocab=50,
)


def model(arch: Architecture = ARCH, **options: Any) -> Llama:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = Llama(arch, dtype=torch.float32, **options)
        for parameter in made.parameters():  # norms that are not 1
            nn.init.normal_(parameter, mean=0.1, std=0.3)
    return made


def tokens(batch: int = 2, time: int = 7) -> Tensor:
    return torch.randint(50, (batch, time), generator=torch.Generator().manual_seed(2))


def direct_loss(llama: Llama, arch: Architecture, sequence: Tensor) -> float:
    """The loss of one sequence in float64, one position and one head after the other."""
    w = {name: value.double() for name, value in llama.state_dict().items()}
    attention, _ = llama_parts(arch)

    def norm(x: Tensor, name: str) -> Tensor:
        scaled: Tensor = w[f"{name}.weight"] * x / torch.sqrt((x * x).mean() + 1e-6)
        return scaled

    def turn(x: Tensor, position: int) -> Tensor:
        half = attention.head_dim // 2
        angle = position / 10000 ** (torch.arange(half, dtype=torch.float64) / half)
        turned = torch.complex(x[:half], x[half:]) * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([turned.real, turned.imag])

    xs = [w["embedding.weight"][token] for token in sequence]
    for layer in range(arch.layers):
        at = f"blocks.{layer}"
        normal = [norm(x, f"{at}.attention_norm") for x in xs]
        q, k, v = (
            [(w[f"{at}.{name}.weight"] @ x).view(-1, attention.head_dim) for x in normal]
            for name in ("query", "key", "value")
        )
        for t in range(len(xs)):
            mixed = []
            for head in range(attention.heads):
                shared = head * attention.kv_heads // attention.heads
                query = turn(q[t][head], t)
                scores = torch.stack([query @ turn(k[s][shared], s) for s in range(t + 1)])
                share = torch.softmax(scores / math.sqrt(attention.head_dim), 0)
                mixed.append(sum(share[s] * v[s][shared] for s in range(t + 1)))
            x = xs[t] + w[f"{at}.output.weight"] @ torch.cat(mixed)
            n = norm(x, f"{at}.mlp_norm")
            gate = w[f"{at}.gate.weight"] @ n
            inner = gate * torch.sigmoid(gate) * (w[f"{at}.up.weight"] @ n)
            xs[t] = x + w[f"{at}.down.weight"] @ inner
    losses = [
        -torch.log_softmax(w["head.weight"] @ norm(x, "norm"), 0)[following]
        for x, following in zip(xs, sequence[1:], strict=False)
    ]
    return float(torch.stack(losses).mean())


@pytest.mark.parametrize("attention", ["fused", "eager"])
def test_the_loss_is_that_of_a_direct_computation(attention: str) -> None:
    llama, sequence = model(attention=attention), tokens(1)
    loss = llama(sequence, sequence).loss.item()
    assert loss == pytest.approx(direct_loss(llama, ARCH, sequence[0]), rel=1e-5)


def gradients(**options: Any) -> list[Tensor]:
    llama, batch = model(**options), tokens()
    llama(batch, batch).loss.backward()
    return [parameter.grad for parameter in llama.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("checkpointing", ["full", "selective"])
@pytest.mark.parametrize("attention", ["fused", "eager"])
def test_checkpointing_changes_no_gradient(attention: str, checkpointing: str) -> None:
    plain = gradients(attention=attention)
    recomputed = gradients(attention=attention, checkpointing=checkpointing)
    assert len(plain) == len(list(model().parameters()))
    assert all(torch.equal(a, b) for a, b in zip(plain, recomputed, strict=True))


def test_fused_and_eager_attention_have_the_same_gradients() -> None:
    for a, b in zip(gradients(attention="fused"), gradients(attention="eager"), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_tied_output_layer_is_the_embedding() -> None:
    tied = model(replace(ARCH, tied=True))
    assert tied.head.weight is tied.embedding.weight
    assert sum(p.numel() for p in tied.parameters()) == replace(ARCH, tied=True).parameter_count


def test_it_has_as_many_parameters_as_its_architecture_says() -> None:
    assert sum(p.numel() for p in model().parameters()) == ARCH.parameter_count


def test_weights_and_logits_are_of_the_type_asked_for_and_the_loss_is_float32() -> None:
    llama = Llama(ARCH, dtype=torch.bfloat16, attention="eager")
    output = llama(tokens(), tokens())
    assert {parameter.dtype for parameter in llama.parameters()} == {torch.bfloat16}
    assert (output.logits.dtype, output.loss.dtype) == (torch.bfloat16, torch.float32)


def unlike(**changes: Any) -> Architecture:
    block = ARCH.block
    attention = replace(block.attention, **changes.pop("attention", {}))
    mlp = replace(block.mlp, **changes.pop("mlp", {}))
    norms = changes.pop("norms", "before")
    return replace(ARCH, kinds=(Block(attention=attention, mlp=mlp, norms=norms),), **changes)


@pytest.mark.parametrize(
    ("arch", "named"),
    [
        (unlike(norm="layer"), "norm of tiny must be 'rms' as in LLaMA, not 'layer'"),
        (
            unlike(attention={"bias": True}),
            "bias in the attention of tiny must be False as in LLaMA, not True",
        ),
        (
            unlike(attention={"rotary": 4}),
            "rotary in the attention of tiny must be 8 as in LLaMA, not 4",
        ),
        (
            unlike(mlp={"gated": False}),
            "gated in the MLP of tiny must be True as in LLaMA, not False",
        ),
        (
            unlike(norms="after"),
            "norms in the blocks of tiny must be 'before' as in LLaMA, not 'after'",
        ),
    ],
)
def test_an_architecture_that_is_no_llama_is_refused(arch: Architecture, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}$"):
        model(arch)


def test_a_mixture_and_blocks_that_differ_are_refused() -> None:
    mixture = Mixture(experts=4, chosen=2, expert=Mlp(intermediate=8))
    sparse = Block(attention=ARCH.block.attention, mlp=mixture)
    with pytest.raises(
        ValueError, match=r"^mlp of tiny must be an Mlp as in LLaMA, not a Mixture$"
    ):
        model(replace(ARCH, kinds=(ARCH.block, sparse), pattern=(0, 1)))
    capped = replace(ARCH.block, attention=replace(ARCH.block.attention, capped=True))
    with pytest.raises(ValueError, match=r"^blocks of tiny must be equal as in LLaMA$"):
        model(replace(ARCH, kinds=(ARCH.block, capped), pattern=(0, 1)))


def test_windows_make_no_other_model() -> None:
    near = replace(ARCH.block, attention=replace(ARCH.block.attention, window=4))
    model(replace(ARCH, kinds=(ARCH.block, near), pattern=(0, 1)))


@pytest.mark.parametrize("option", [{"attention": "some"}, {"checkpointing": "some"}])
def test_an_unknown_option_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(option))} must be one of .*, not 'some'"):
        model(**option)


def test_adapters_change_nothing_at_first_and_alone_are_trained() -> None:
    llama, batch = model(), tokens()
    before = llama(batch, batch).loss.item()
    adapters = add_lora(llama, 3, ("query", "down"))
    output = llama(batch, batch)
    assert output.loss.item() == before
    output.loss.backward()
    trained = {id(p) for p in llama.parameters() if p.grad is not None}
    assert trained == {id(p) for p in adapters.parameters()}
    assert sum(p.numel() for p in adapters.parameters()) == 2 * 3 * (24 + 32 + 40 + 24)


def test_an_adapter_adds_its_scaled_product() -> None:
    llama = model()
    block: Any = llama.blocks[0]
    weight = block.gate.weight.detach().clone()
    add_lora(llama, 4, ("gate",), alpha=8)
    layer = block.gate
    nn.init.normal_(layer.b.weight)
    x = torch.ones(1, 24)
    merged = weight + 2 * layer.b.weight @ layer.a.weight
    torch.testing.assert_close(layer(x), x @ merged.T)


def test_adapters_for_a_layer_that_is_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match=r"targets must name linear layers .* not \['keys'\]"):
        add_lora(model(), 4, ("query", "keys"))
    with pytest.raises(ValueError, match="rank must be positive, not 0"):
        add_lora(model(), 0, ("query",))
