"""Train a decoder with softmax or ConSmax, on a CPU or a GPU, so that a run may stop and go on.

A checkpoint in the result cache holds weights, states of the optimizer and of the generator that
draws batches, so that a run that was stopped ends as one that was not, bit for bit on a CPU. The
weights stay when a run has ended: the trained model is what formats are measured with. The file's
name has a hash of its content, by which a damaged or swapped one is recognized.
"""

import io
import platform
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.results import digest, keep_file, kept_file
from consilico.sim.base.torch_threads import one_torch_thread
from consilico.sim.traffic.gpt_training import GptTraining, TrainingText, learning_rate
from consilico.sim.traffic.transformer import Normalize
from consilico.sim.training.consmax_gpt import NormalizedGpt, NormalizedModel, Normalizer

__all__ = [
    "DEVICES",
    "ConsmaxTraining",
    "Stopped",
    "TrainedDecoder",
    "Training",
    "find_device",
    "held_out_loss",
    "held_out_windows",
    "train",
]

DEVICES = ("auto", "cpu", "cuda")
"""Where a training may run; ``auto`` is a GPU where there is one."""

_KIND, _SUFFIX = "consmax", ".pt"  # folder of the cache, and of its files
_REPORTED = 50  # steps between two reports of the training loss, and steps it is the mean of
_EVALUATED, _LOGITS = 64, 1 << 27  # windows at a time, and how many scores of tokens they may have


class Stopped(Exception):
    """A training was stopped in time; its checkpoint has what was done."""


class Training(Protocol):
    """Settings that :func:`train` needs: all of a training but the text and the seed."""

    @property
    def gpt(self) -> GptTraining:
        """Return how it learns, and the shape of the model."""

    @property
    def kind(self) -> str:
        """Return what it normalizes with, of :data:`~consilico.sim.training.consmax_gpt.KINDS`."""

    @property
    def rate(self) -> float:
        """Return the learning rate of beta and gamma, relative to that of the weights."""

    def start(self, text: Tensor) -> NormalizedModel:
        """Return the model before its first step, what is random from torch's generator.

        Args:
            text: What is learned from, int64, one dimension.
        """

    def to_json(self) -> dict[str, Any]:
        """Return everything that the training depends on, as plain data."""


@dataclass(frozen=True, kw_only=True)
class ConsmaxTraining:
    """A GPT that is trained from random weights on, as :class:`Training`.

    Attributes:
        gpt: The model and how it learns; the method is AdamW, and no gradient is used early.
        normalizer: What its attention is normalized by.
    """

    gpt: GptTraining
    normalizer: Normalizer

    @property
    def kind(self) -> str:
        """Return what the model normalizes with."""
        return self.normalizer.kind

    @property
    def rate(self) -> float:
        """Return the learning rate of beta and gamma, relative to that of the weights."""
        return self.normalizer.rate

    def start(self, text: Tensor) -> NormalizedGpt:
        """Return a model with random weights, whatever the text."""
        return NormalizedGpt(self.gpt.model, self.normalizer)

    def to_json(self) -> dict[str, Any]:
        """Return everything that the training depends on, as plain data."""
        return {"gpt": self.gpt.to_json(), "normalizer": self.normalizer.to_json()}


@dataclass(frozen=True, kw_only=True)
class TrainedDecoder:
    """A model that was trained, and what the training was like."""

    model: NormalizedModel  # on the CPU
    training_loss: float  # nats, mean of the last steps
    seconds: float  # of all parts of the run
    device: str  # its name


def find_device(name: str) -> torch.device:
    """Return the device that ``auto``, ``cpu`` or ``cuda`` stands for.

    Raises:
        UserError: If it is none of these, or there is no GPU.
    """
    if name not in DEVICES:
        raise UserError(f"device must be one of {', '.join(DEVICES)}, not {name!r}")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UserError("device cuda needs a GPU that PyTorch sees; ask for auto or cpu")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def train(
    run: Training,
    text: TrainingText,
    seed: int,
    device: str = "auto",
    *,
    every: int = 100,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, float], None] = lambda *_: None,
    say: Callable[[str], None] = print,
) -> TrainedDecoder:
    """Train a model, from its checkpoint on where there is one.

    Args:
        run: How to train.
        text: The text; its part for training is drawn from.
        seed: Fixes initial weights, constants and batches.
        device: Where to compute: ``auto``, ``cpu`` or ``cuda``.
        every: Steps between two checkpoints, which a run that is killed loses at most.
        stop: Asked after each step whether to end there.
        progress: Called with the step and the training loss, every 50 steps.
        say: Told of a checkpoint that cannot be used.

    Raises:
        UserError: If there is no such device, or the loss is no number any more.
        Stopped: If it was told to stop; the checkpoint is written.
    """
    place = find_device(device)
    key = _key(run, text, seed, place)
    with _threads(place):
        state = _State(run, text.train, seed, place)
        state.load(key, say)
        while state.step < run.gpt.steps:
            loss = state.advance()
            if state.step % _REPORTED == 0:
                progress(state.step, loss)
            done = state.step == run.gpt.steps
            told = not done and stop()
            if told or done or state.step % every == 0:
                state.save(key)
            if told:
                raise Stopped
    last = state.losses[-_REPORTED:]
    return TrainedDecoder(
        model=state.model.to("cpu"),
        training_loss=sum(last) / len(last),
        seconds=state.seconds,
        device=torch.cuda.get_device_name(place) if place.type == "cuda" else platform.machine(),
    )


class _State:
    """A training under way: everything that a checkpoint has to hold for it to go on."""

    def __init__(self, run: Training, text: Tensor, seed: int, place: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = run.start(text).to(place)
        constants = list(self.model.constants.parameters())
        learned_apart = {id(parameter) for parameter in constants}
        weights = [each for each in self.model.parameters() if id(each) not in learned_apart]
        groups = [
            {"params": weights, "rate": 1.0},
            {"params": constants, "rate": run.rate, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=run.gpt.lr,
            betas=run.gpt.betas,
            weight_decay=run.gpt.weight_decay,
            fused=True,
        )
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []
        self._run, self._text, self._place = run.gpt, text, place
        self._batches = torch.Generator().manual_seed(seed)

    def advance(self) -> float:
        """Take a step, and return the loss of its batch."""
        start = time.perf_counter()
        run = self._run
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(run, self.step) * group["rate"]
        length = run.model.context + 1
        last = len(self._text) - length + 1
        starts = torch.randint(last, (run.batch,), generator=self._batches)
        windows = self._text[starts[:, None] + torch.arange(length)].to(self._place)
        loss = _loss(self.model, windows)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), run.clip)
        self.optimizer.step()
        value = loss.item()
        if value != value:
            raise UserError(f"the loss is no number any more after {self.step} steps")
        self.step += 1
        self.losses = [*self.losses[1 - _REPORTED :], value]
        self.seconds += time.perf_counter() - start
        return value

    def save(self, key: str) -> None:
        """Write a checkpoint, which replaces the one of before.

        Once all steps are done it has no states of the optimizer, two thirds of it.
        """
        content = io.BytesIO()
        done = self.step == self._run.steps
        state = {
            "model": self.model.state_dict(),
            "optimizer": None if done else self.optimizer.state_dict(),
            "batches": self._batches.get_state(),
            "step": self.step,
            "losses": self.losses,
            "seconds": self.seconds,
        }
        torch.save(state, content)
        keep_file(_KIND, key, _SUFFIX, content.getvalue())

    def load(self, key: str, say: Callable[[str], None]) -> None:
        """Go on from a checkpoint where there is one; one that is damaged is removed."""
        path = kept_file(
            _KIND, key, _SUFFIX,
            lambda path: say(f"checkpoint {path} is damaged or another's: trained anew"),
        )  # fmt: skip
        if path is None:
            return
        state = torch.load(path, map_location=self._place, weights_only=True)
        self.model.load_state_dict(state["model"])
        if state["optimizer"] is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        self._batches.set_state(state["batches"].cpu())
        self.step, self.losses, self.seconds = state["step"], state["losses"], state["seconds"]


def _key(run: Training, text: TrainingText, seed: int, place: torch.device) -> str:
    """Return what the checkpoint of a training is kept under: all that its course depends on."""
    about = [run.to_json(), seed, place.type, platform.machine(), torch.__version__]
    code = code_digest(__name__, type(run).__module__)
    return digest(*about, text.train.numpy().tobytes(), code)


def _threads(place: torch.device) -> Any:
    """Return the context of a training: on a CPU one thread, for losses that can be repeated."""
    return one_torch_thread() if place.type == "cpu" else nullcontext()


def _loss(model: NormalizedModel, windows: Tensor, normalize: Normalize | None = None) -> Tensor:
    """Return the mean loss of predicting each next byte or token of windows, in nats."""
    scores = model(windows[:, :-1], normalize)
    return F.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())


def held_out_windows(text: TrainingText, context: int, most: int | None = None) -> Tensor:
    """Cut the text that was held out into windows, one next to the other.

    Args:
        text: The text.
        context: Bytes or tokens that are predicted in a window.
        most: Windows, spread over the text; None: all.

    Returns:
        int64, shape ``(windows, context + 1)``.
    """
    windows = text.held_out.unfold(0, context + 1, context)
    if most is None or most >= len(windows):
        return windows
    return windows[torch.arange(most) * len(windows) // most]


@torch.no_grad()
def held_out_loss(
    model: NormalizedModel, windows: Tensor, normalize: Normalize | None = None
) -> float:
    """Return the mean loss of windows, in nats per byte or token.

    Args:
        model: The model; the windows go to where it is.
        windows: int64, shape ``(windows, context + 1)``.
        normalize: Makes weights of a layer's scores; None: the model's own.
    """
    place = next(model.parameters()).device
    at_a_time = _LOGITS // (model.vocabulary * (windows.shape[1] - 1))
    with one_torch_thread():
        total = sum(
            _loss(model, part.to(place), normalize).item() * len(part)
            for part in torch.split(windows, max(1, min(_EVALUATED, at_a_time)))
        )
    return total / len(windows)
