"""Training picture: criteria learned and the rest trained, epoch by epoch, as a PNG."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from ..reports.drawing import (
    ACCENT,
    GREEN,
    GREY,
    INK,
    MUTED,
    ORANGE,
    PINK,
    VERMILION,
    as_png,
    canvas,
    plain,
)
from .train_job import Metrics

_TERMS = (ORANGE, GREEN, PINK, GREY)
"""The colours of the terms of a loss."""


def training_picture(
    learning: Sequence[Metrics], finetuning: Sequence[Metrics], *, target: float
) -> bytes:
    """Draw errors and multiply-adds while criteria are learned, and the loss after the cut.

    1800 by 700 pixels. `target` is the share of the multiply-adds that is to be left.
    """
    figure = canvas(9, 3.5)
    errors, costs, losses = figure.subplots(1, 3)
    for axes, what, factor in ((errors, "error", 100.0), (costs, "macs", 1.0)):
        _line(axes, learning, f"soft_{what}", ACCENT, "soft gates", factor)
        _line(axes, learning, f"hard_{what}", VERMILION, "hard gates", factor)
    costs.axhline(target, color=MUTED, linewidth=1, linestyle="--", label="target")
    _line(losses, finetuning, "loss", INK, "loss")
    terms = [name for name in (finetuning or [{}])[0] if name not in ("epoch", "loss")]
    for colour, name in zip(_TERMS, terms, strict=False):
        _line(losses, finetuning, name, colour, name.replace("_", " "))
    plain(errors, "Epoch of learning", "Error (%)")
    plain(costs, "Epoch of learning", "Multiply-adds (x dense)")
    plain(losses, "Epoch of fine-tuning", "Loss")
    for axes in (errors, costs, losses):
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    return as_png(figure)


def _line(
    axes: Axes, epochs: Sequence[Metrics], name: str, colour: str, label: str, factor: float = 1.0
) -> None:
    if epochs:
        axes.plot(
            [epoch["epoch"] for epoch in epochs],
            [factor * epoch[name] for epoch in epochs],
            "o-",
            color=colour,
            label=label,
            markersize=3,
            linewidth=1.5,
        )
