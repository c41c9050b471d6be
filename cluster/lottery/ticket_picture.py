"""Ticket picture: score over sparsity, round by round, as a PNG."""

from matplotlib.axes import Axes

from ..reports.drawing import (
    ACCENT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PINK,
    VERMILION,
    as_png,
    canvas,
    plain,
)
from .tickets import SEARCH, Tickets

VARIANTS = {
    "icpg": (ACCENT, "ICPG"),
    "random": (GREY, "random"),
    "weights": (ORANGE, "weights alone"),
    "edges": (GREEN, "edges alone"),
    "ugs": (PINK, "UGS"),
    "transfer": (VERMILION, "transferred"),
    SEARCH: (ACCENT, "candidates"),
}
"""The colour and the name of each variant."""


def ticket_picture(name: str, tickets: Tickets) -> bytes:
    """Draw the score over each round's share of edges and of weights gone, 1600 by 800 pixels.

    Bars are the standard error of the mean over folds and seeds.
    """
    figure = canvas(8, 4)
    left, right = figure.subplots(1, 2, sharey=True)
    _draw(left, tickets, "edges_gone")
    _draw(right, tickets, "weights_gone")
    plain(left, "Edges gone (%)", "Score (%)")
    plain(right, "Weights gone (%)")
    figure.suptitle(name, x=0.012, ha="left", color=INK, fontsize=12, fontweight="bold")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower left", ncols=len(labels), frameon=False, fontsize=8.5,
        labelcolor=INK,
    )  # fmt: skip
    return as_png(figure)


def _draw(axes: Axes, tickets: Tickets, share: str) -> None:
    for variant, (colour, label) in VARIANTS.items():
        rounds = tickets.of(variant)
        # what a variant never removes has no place on that axis
        if not rounds or max(getattr(one, share) for one in rounds) == 0:
            continue
        axes.errorbar(
            [100 * getattr(one, share) for one in rounds],
            [100 * one.score for one in rounds],
            yerr=[100 * one.deviation / one.count**0.5 for one in rounds],
            fmt="o" if variant == SEARCH else "o-",
            color=colour,
            label=label,
            markersize=4.5,
            linewidth=1.5,
            elinewidth=0.9,
            zorder=3 if variant == "icpg" else 2,
        )
    axes.axhline(100 * tickets.dense, color=INK, linewidth=1, linestyle="--", label="dense")
