"""Ticket picture: score over sparsity, round by round, as a PNG."""

from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .tickets import SEARCH, Tickets

VARIANTS = {
    "icpg": ("#0067b0", "ICPG"),
    "random": ("#8a8f98", "random"),
    "weights": ("#e69f00", "weights alone"),
    "edges": ("#009e73", "edges alone"),
    "ugs": ("#cc79a7", "UGS"),
    "transfer": ("#d55e00", "transferred"),
    SEARCH: ("#0067b0", "candidates"),
}
"""The colour and the name of each variant; after Okabe and Ito, safe for colour-blind readers."""

_INK, _MUTED, _RULE = "#1c2024", "#60656c", "#e4e6ea"


def ticket_picture(name: str, tickets: Tickets) -> bytes:
    """Draw the score over each round's share of edges and of weights gone, 1600 by 800 pixels.

    Bars are the standard error of the mean over folds and seeds.
    """
    figure = Figure(figsize=(8, 4), dpi=200, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    _draw(left, tickets, "edges_gone", "Edges gone (%)")
    _draw(right, tickets, "weights_gone", "Weights gone (%)")
    left.set_ylabel("Score (%)", color=_MUTED, fontsize=10, labelpad=8)
    figure.suptitle(name, x=0.012, ha="left", color=_INK, fontsize=12, fontweight="bold")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower left", ncols=len(labels), frameon=False, fontsize=8.5,
        labelcolor=_INK,
    )  # fmt: skip
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=200)
    return buffer.getvalue()


def _draw(axes: Axes, tickets: Tickets, share: str, title: str) -> None:
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
    axes.axhline(100 * tickets.dense, color=_INK, linewidth=1, linestyle="--", label="dense")
    axes.set_xlabel(title, color=_MUTED, fontsize=10, labelpad=8)
    axes.grid(color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=_MUTED, labelsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_RULE)
