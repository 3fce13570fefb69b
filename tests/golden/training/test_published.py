"""The published variant against galore-torch and q-galore-torch themselves, on the CPU.

q-galore-torch 1.0 was written for the bitsandbytes of July 2024. Its arguments are put in the order
of the release that is installed, the first ones of which run 8-bit Adam on a CPU.
"""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from consilico.golden.training.affine import AffineConfig, quantize_affine, unpack
from consilico.golden.training.int8_linear import quantize_linears
from consilico.golden.training.method import Method
from consilico.golden.training.qgalore import QGaLore
from consilico.golden.training.subspace import Subspace

with warnings.catch_warnings():  # libraries of others, which warn as they are imported
    warnings.simplefilter("ignore")
    galore_torch = pytest.importorskip("galore_torch")
    q_galore = pytest.importorskip("q_galore_torch.q_galore_adamw8bit")
    bnb = pytest.importorskip("bitsandbytes.functional")
    cpu_kernels = pytest.importorskip("bitsandbytes.backends.cpu.ops")

STEPS = 200
SHAPES = {"tall": (96, 64), "wide": (64, 96), "square": (64, 64)}
RANK, SCALE, LR, DECAY = 16, 0.25, 1e-2, 0.1
PUBLISHED_BLOCK = 256  # of 8-bit states in the bitsandbytes that is installed


class Projected(nn.Module):
    """A layer that is projected, one that is not, and a vector, which learn a drawn map."""

    layer: Any

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.layer = nn.Linear(shape[1], shape[0], bias=False)
            outputs = -(-4096 // shape[0])  # states are 8-bit from 4096 on
            self.head = nn.Linear(shape[0], outputs, bias=False)
            self.gain = nn.Parameter(torch.ones(outputs))
            self.target = torch.randn(shape[1], 6) @ torch.randn(6, outputs) / 4
        self.draws = torch.Generator().manual_seed(5)

    def backward(self, product: Callable[[Tensor], Tensor]) -> None:
        x = torch.randn(128, len(self.target), generator=self.draws)
        y = self.head(torch.tanh(product(x))) * self.gain
        (y - x @ self.target).square().mean().backward()


def groups(model: Projected, first: dict[str, Any], **others: Any) -> list[dict[str, Any]]:
    return [
        {"params": [model.layer.weight], **first},
        {"params": [model.head.weight, model.gain], **others},
    ]


def close(ours: Tensor, theirs: Tensor, start: Tensor, tolerance: float) -> None:
    """The difference is a small part of the whole movement."""
    moved = (theirs - start).norm().item()
    assert moved > 0.1 * start.norm().item()
    assert (ours - theirs).norm().item() <= tolerance * moved


def run(model: Projected, made: Any, product: Callable[[Tensor], Tensor]) -> None:
    for _ in range(STEPS):
        made.zero_grad()
        model.backward(product)
        made.step()


@pytest.mark.parametrize(("shape", "decay"), [("tall", DECAY), ("wide", DECAY), ("square", 0.0)])
def test_galore_is_galore_torchs(shape: str, decay: float) -> None:
    ours, theirs = Projected(SHAPES[shape]), Projected(SHAPES[shape])
    start = [parameter.detach().clone() for parameter in ours.parameters()]
    low = {"rank": RANK, "update_proj_gap": 20, "scale": SCALE, "proj_type": "std"}
    reference = galore_torch.GaLoreAdamW(
        groups(theirs, low), lr=LR, weight_decay=decay, eps=1e-4, no_deprecation_warning=True
    )
    method = Method(rank=RANK, gap=20, variant="published")
    made = QGaLore(
        groups(ours, {}, rank=0), LR, eps=1e-4, weight_decay=decay, method=method, scale=SCALE
    )
    run(theirs, reference, theirs.layer)
    run(ours, made, ours.layer)
    for one, other, before in zip(ours.parameters(), theirs.parameters(), start, strict=True):
        close(one.detach(), other.detach(), before, 1e-4)


# q-galore-torch


class OfItsTime:
    """bitsandbytes.functional with the arguments of July 2024."""

    @staticmethod
    def optimizer_update_32bit(
        name: str, g: Tensor, p: Tensor, state1: Tensor, beta1: float, eps: float, step: int,
        lr: float, state2: Tensor, beta2: float, decay: float, gnorm_scale: float, unorm: Any,
        **_: Any,
    ) -> None:  # fmt: skip
        bnb.optimizer_update_32bit(
            name, g, p, state1, beta1, eps, step, lr, state2, beta2,
            weight_decay=decay, gnorm_scale=gnorm_scale,
        )  # fmt: skip

    @staticmethod
    def optimizer_update_8bit_blockwise(
        name: str, g: Tensor, p: Tensor, state1: Tensor, state2: Tensor, beta1: float,
        beta2: float, eps: float, step: int, lr: float, map1: Tensor, map2: Tensor, absmax1: Tensor,
        absmax2: Tensor, decay: float, gnorm_scale: float, **_: Any,
    ) -> None:  # fmt: skip
        bnb.optimizer_update_8bit_blockwise(
            name, g, p, state1, state2, beta1, beta2, 0.0, 0.0, eps, step, lr, map1, map2, absmax1,
            absmax2, weight_decay=decay, gnorm_scale=gnorm_scale,
        )  # fmt: skip


def quantize_to_nearest(
    values: Tensor, code: Tensor, absmax: Tensor, codes: Tensor, blocksize: int
) -> None:
    """Nearest codes by the library's kernel of any data type, as that of CUDA finds them.

    That of float32 on a CPU looks it up in a coarse table: 7e-8 of the greatest becomes 1.6e-5.
    """
    found = torch.ops.bitsandbytes.quantize_blockwise(values.double(), code, blocksize)
    codes.copy_(found[0])
    absmax.copy_(found[1])


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The published optimizer, which waits for a GPU after each update."""
    monkeypatch.setattr(q_galore, "F", OfItsTime)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    monkeypatch.setattr(cpu_kernels, "_quant_blockwise_fp32_direct", quantize_to_nearest)
    config = q_galore.AdamW8bit.get_config

    def with_defaults_of_its_time(self: Any, *arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = config(self, *arguments)
        return {**found, "percentile_clipping": 100, "block_wise": True}

    monkeypatch.setattr(q_galore.AdamW8bit, "get_config", with_defaults_of_its_time)

    def make(*arguments: Any, **options: Any) -> Any:
        # the places of these two are those of max_unorm and skip_zeros now
        return q_galore.AdamW8bit(*arguments, percentile_clipping=0, block_wise=False, **options)

    return make


def quantized_by_hand(weight: Any, made: Any, stochastic: bool) -> None:
    """Make a weight INT8 as q-galore-torch holds it."""
    weight.requires_grad_(False)
    weight.data, weight.scales, weight.zeros = made._quantize(weight.data, q_group_size=256)
    weight.group_size, weight.stochastic_round = 256, stochastic


def gradients(shapes: list[torch.Size]) -> list[list[Tensor]]:
    """Gradients of each step: four directions that turn slowly, some more for a while, and noise.

    They do not depend on the weights: a training magnifies a code that rounds the other way.
    """
    draws = torch.Generator().manual_seed(8)
    sides = [
        [torch.randn(*shape[:-1], 4, generator=draws), torch.randn(4, shape[-1], generator=draws)]
        for shape in shapes
    ]
    found = []
    for step in range(STEPS):
        for side in sides:
            side[1] = side[1] + 0.05 * torch.randn(side[1].shape, generator=draws)
        noise = 3.0 if 80 <= step < 120 else 0.3
        found.append(
            [
                one @ two / 8 + noise * torch.randn(shape, generator=draws)
                for (one, two), shape in zip(sides, shapes, strict=True)
            ]
        )
    return found


def low_rank(projection: int, gap: int, threshold: float) -> dict[str, Any]:
    return {
        "rank": RANK, "update_proj_gap": gap, "scale": SCALE, "proj_type": "std",
        "quant": projection == 4, "quant_group_size": 256, "quant_n_bit": 4,
        "cos_threshold": threshold, "gamma_proj": 2, "queue_size": 3,
    }  # fmt: skip


def method(projection: int, gap: int) -> Method:
    return Method(
        rank=RANK, gap=gap, projection=projection, lazy=True, queue=3, states=8,
        states_block=PUBLISHED_BLOCK, random_bits=0, weights=8, variant="published",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "int8", "threshold"),
    [
        ("tall", True, -1.0),
        ("wide", True, 0.4),
        ("wide", False, -1.0),
        *(
            pytest.param(*case, marks=pytest.mark.exhaustive)
            for case in (
                ("tall", False, -1.0),
                ("wide", True, -1.0),
                ("square", True, -1.0),
                ("square", False, -1.0),
                ("tall", True, 0.4),
                ("wide", False, 0.4),
                ("wide", True, 1.5),
            )
        ),
    ],
)
def test_q_galore_is_q_galore_torchs(
    shape: str, int8: bool, threshold: float, published: Callable[..., Any]
) -> None:
    ours, theirs = Projected(SHAPES[shape]), Projected(SHAPES[shape])
    start = {name: parameter.detach().clone() for name, parameter in ours.named_parameters()}
    reference = published(groups(theirs, low_rank(4, 7, threshold)), lr=LR, weight_decay=DECAY)
    made_by = method(4, 7)
    if int8:
        quantized_by_hand(theirs.layer.weight, reference, stochastic=False)
        quantize_linears(ours, made_by.weight_format, keep=("head",))
    made = QGaLore(
        groups(ours, {}, rank=0), LR, weight_decay=DECAY, method=made_by, scale=SCALE,
        threshold=threshold,
    )  # fmt: skip
    for given in gradients([parameter.shape for parameter in ours.parameters()]):
        for mine, other, gradient in zip(
            ours.parameters(), theirs.parameters(), given, strict=True
        ):
            mine.grad = gradient.clone()
            name = "float_grad" if hasattr(other, "group_size") else "grad"
            setattr(other, name, gradient.clone())
        made.step()
        reference.step()
    projector = reference.state[theirs.layer.weight]["projector"]
    subspace: Subspace = made.state[ours.layer.weight]["subspace"]
    assert (subspace.gap, subspace.renewals) == (projector.update_proj_gap, projector.svd_count)
    assert (subspace.gap > 7) == (threshold < 1)
    final = {name: parameter.detach() for name, parameter in theirs.named_parameters()}
    found = {name: parameter.detach() for name, parameter in ours.named_parameters()}
    if int8:
        weight = theirs.layer.weight
        final["layer.weight"] = reference._dequantize(
            weight.data, torch.float, 256, weight.scales, weight.zeros
        )
        found["layer.weight"] = ours.layer.dequantize()
    for name, before in start.items():
        # an extreme INT8 weight that rounds the other way changes its group's scale, and with it
        # how 255 others round
        rounds = int8 and name == "layer.weight"
        close(found[name], final[name], before, 5e-2 if rounds else 1e-3)


@pytest.mark.parametrize("center", [0.0, 0.3, 2.0, -2.0])
def test_clamped_codes_are_those_of_q_galore_torch(center: float) -> None:
    values = torch.randn(64, 256, generator=torch.Generator().manual_seed(1)) + center
    projector = q_galore.GaLoreProjector(rank=8)
    codes, scale, zero, _ = projector._quantize(values, 256, 4)
    ours = quantize_affine(values, AffineConfig(bits=4, zero_point="clamped"))
    assert torch.equal(unpack(ours.codes), codes)
    torch.testing.assert_close(ours.dequantize(), (codes - zero) * scale, rtol=1e-5, atol=1e-6)


def test_random_rounding_is_that_of_q_galore_torch_for_the_same_draws(
    monkeypatch: pytest.MonkeyPatch, published: Callable[..., Any]
) -> None:
    """It rounds up where a number in [0, 1) is below the fraction, ours where a sum carries."""
    values = torch.randn(64, 256, generator=torch.Generator().manual_seed(1))
    draw = torch.randint(1 << 24, values.shape, generator=torch.Generator().manual_seed(2))
    complement = ((1 << 24) - 1 - draw).double() / (1 << 24)
    monkeypatch.setattr(torch, "rand_like", lambda _: complement)
    reference = published([nn.Parameter(torch.zeros(2))])
    codes, scale, _ = reference._quantize_stochastic_round(values, q_group_size=256)
    config = AffineConfig(bits=8, zero_point="clamped")
    ours = quantize_affine(values, config, torch.Generator().manual_seed(2))
    torch.testing.assert_close(ours.scale, scale)
    different = (ours.codes != codes).float().mean().item()
    assert different < 1e-3  # a draw within rounding of the fraction


def test_wide_int4_groups_run_across_the_vectors_of_the_published_variant() -> None:
    gradient = torch.randn(64, 96, generator=torch.Generator().manual_seed(4))
    own, theirs = (
        Subspace(Method(rank=8, projection=4, zero_point="clamped", variant=variant), 0.4)
        for variant in ("consilico", "published")
    )
    projector = q_galore.GaLoreProjector(rank=8, quant=True, group_size=256, n_bit=4)
    low = projector.project(gradient, 0)
    own.advance(gradient)
    theirs.advance(gradient)
    torch.testing.assert_close(theirs.down(gradient), low)
    assert not torch.allclose(own.down(gradient), low, rtol=1e-2)
