"""A finding of three layers, as a measurement makes it."""

from consilico.sim.accuracy.facts import Accuracy, LayerError, RowSums


def found(
    name: str = "softmax",
    tokens: int = 256,
    perplexity: float = 11.0,
    text: str = "Pericles",
    form: str = "uint8",
) -> Accuracy:
    """Return a finding with a baseline of 10, and layer 1 as the worst one."""
    layers = tuple(
        LayerError(layer=layer, moved=moved, row_sum_error=0.01, argmax_flips=0.0, saturated=0.0)
        for layer, moved in enumerate((0.1, 0.3, 0.2))
    )
    return Accuracy(
        model="small", text=text, tokens=tokens, predicted=2048, normaliser=name, p_format=form,
        lanes=64, perplexity=perplexity, baseline=10.0,
        row_sum=RowSums(least=0.9, mean=0.99, greatest=1.0), argmax_flips=0.0, empty_rows=0.0,
        saturated=0.0, moved=0.2, layers=layers,
    )  # fmt: skip
