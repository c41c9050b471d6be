"""Drawing: what all pictures have in common - colours, axes, and how they become PNGs."""

from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, MUTED, RULE, ACCENT = "#1c2024", "#60656c", "#e4e6ea", "#0067b0"
GREY, ORANGE, GREEN, PINK, VERMILION = "#8a8f98", "#e69f00", "#009e73", "#cc79a7", "#d55e00"
"""What is told apart: after Okabe and Ito, safe for colour-blind readers."""

DPI = 200


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure, so many inches wide and high."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)  # the figure keeps it; pyplot and its global state stay out
    return figure


def plain(axes: Axes, x: str, y: str = "") -> None:
    """Name the axes, and leave of them a grid and the line below."""
    axes.set_xlabel(x, color=MUTED, fontsize=10, labelpad=8)
    axes.set_ylabel(y, color=MUTED, fontsize=10, labelpad=8)
    axes.grid(color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=MUTED, labelsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)


def as_png(figure: Figure) -> bytes:
    """Return a figure as a PNG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()
