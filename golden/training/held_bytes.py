"""Count the bytes that a training run really holds, on its tensors."""

from dataclasses import dataclass

from torch import Tensor, nn

from consilico.golden.training.affine import Affine
from consilico.golden.training.int8_linear import int8_weight
from consilico.golden.training.moments import Blockwise, Moments
from consilico.golden.training.qgalore import QGaLore
from consilico.golden.training.subspace import Subspace

__all__ = ["HeldBytes", "held_bytes"]


@dataclass(frozen=True, kw_only=True)
class HeldBytes:
    """Bytes by purpose, after at least one update. Activations are not included."""

    weights: int  # float weights
    weight_codes: int  # INT8 weights
    weight_constants: int  # scale and minimum of their groups
    states: int
    state_constants: int  # greatest magnitude of each block
    projections: int
    projection_constants: int
    gradients: int  # at most alive at once with the fused update: the largest one
    all_gradients: int  # alive at once without the fused update
    embedding_gradients: int  # part of all_gradients that the published code never frees
    packing_saves: int  # compared with one byte per INT4 code, as the published code keeps them

    @property
    def total(self) -> int:
        """Return the sum of all bytes that are held with the fused update."""
        return (
            self.weights
            + self.weight_codes
            + self.weight_constants
            + self.states
            + self.state_constants
            + self.projections
            + self.projection_constants
            + self.gradients
        )


def held_bytes(model: nn.Module, optimizer: QGaLore) -> HeldBytes:
    """Count what a model and its optimizer hold now.

    Args:
        model: The model.
        optimizer: Its optimizer.

    Raises:
        ValueError: If a parameter that trains has not been updated yet.
    """
    parameters = list(model.parameters())
    weights = [int8 for p in parameters if (int8 := int8_weight(p)) is not None]
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    gradients = [_gradient_bytes(parameter) for parameter in trained]
    embeddings = {m.weight for m in model.modules() if isinstance(m, nn.Embedding)}
    states = state_constants = projections = projection_constants = saved = 0
    for parameter in trained:
        state = optimizer.state.get(parameter, {})
        if "moments" not in state:
            raise ValueError("every trained parameter must have been updated at least once")
        moments: Moments = state["moments"]
        for held in (moments.mean, moments.square):
            codes, constants = _split(held)
            states, state_constants = states + codes, state_constants + constants
        subspace: Subspace | None = state.get("subspace")
        if subspace is not None and subspace.basis is not None:
            codes, constants = _split(subspace.basis)
            projections, projection_constants = (
                projections + codes,
                projection_constants + constants,
            )
            saved += codes if isinstance(subspace.basis, Affine) else 0
    return HeldBytes(
        weights=sum(_bytes(parameter) for parameter in parameters),
        weight_codes=sum(_bytes(int8.codes) for int8 in weights),
        weight_constants=sum(_bytes(int8.scale) + _bytes(int8.minimum) for int8 in weights),
        states=states,
        state_constants=state_constants,
        projections=projections,
        projection_constants=projection_constants,
        gradients=max(gradients, default=0),
        all_gradients=sum(gradients),
        embedding_gradients=sum(
            _gradient_bytes(weight) for weight in embeddings if weight.requires_grad
        ),
        packing_saves=saved,
    )


def _bytes(tensor: Tensor) -> int:
    """Return the bytes of a tensor's storage; a stand-in for INT8 codes has few."""
    return tensor.untyped_storage().nbytes()


def _gradient_bytes(parameter: Tensor) -> int:
    return parameter.numel() * parameter.element_size()


def _split(held: Tensor | Affine | Blockwise) -> tuple[int, int]:
    """Return the bytes of the values themselves, and of the constants that go with their groups."""
    if isinstance(held, Affine):
        return _bytes(held.codes), _bytes(held.scale) + _bytes(held.minimum)
    if isinstance(held, Blockwise):
        return _bytes(held.codes), _bytes(held.absmax)
    return _bytes(held), 0
