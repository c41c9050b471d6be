"""Picture: the front as a PNG, for a README or a slide."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes

from ...search.indicators import front
from ..runs.quantity import Quantity, quantities
from ..runs.results import Member, Provenance, Results
from .drawing import ACCENT, GREEN, GREY, INK, MUTED, ORANGE, PINK, VERMILION, as_png, canvas, plain

ORIGINS: dict[Provenance, str] = {
    "initial": GREY,
    "variation": ORANGE,
    "local search": GREEN,
    "random move": PINK,
    "fine-tuned": VERMILION,
}
"""The colour of each origin's networks."""


def front_picture(results: Results) -> bytes:
    """Draw error against the first cost and return the picture as a PNG, 1600 by 1000 pixels."""
    error, cost, *_ = quantities(results)
    figure = canvas(8, 5)
    axes = figure.add_subplot()
    _draw_evaluated(axes, results, cost, error)
    _draw_front(axes, results, cost, error)
    _draw_finetuned(axes, results, cost, error)
    _draw_dense(axes, results.dense, cost, error)
    _label_picks(axes, results, cost, error)
    _finish(axes, results, cost, error)
    return as_png(figure)


def stairs(results: Results, cost: str) -> tuple[Member, ...]:
    """Return the front's members that no other beats in error and this cost, cheapest first."""
    points = np.array(
        [(one.objectives[cost].value, one.objectives["error"].value) for one in results.front]
    ).reshape(-1, 2)
    steps = sorted(front(points), key=lambda index: tuple(points[index]))
    return tuple(results.front[index] for index in steps)


def every_network(results: Results) -> dict[int, Member]:
    """Return each network once, by id, the dense one first."""
    return {one.id: one for one in (results.dense, *results.members, *results.front)}


def pick_labels(results: Results) -> dict[int, str]:
    """Return what each picked network is called; one that was picked twice has both names."""
    names: dict[int, list[str]] = {}
    for name, id_ in results.picks.items():
        names.setdefault(id_, []).append(name.replace("-", " "))
    return {id_: " · ".join(called) for id_, called in names.items()}


def _draw_evaluated(axes: Axes, results: Results, cost: Quantity, error: Quantity) -> None:
    chosen = {member.id for member in results.front} | {results.dense.id}
    for origin, colour in ORIGINS.items():
        dots = [one for one in results.members if one.origin == origin and one.id not in chosen]
        if dots:
            axes.scatter(
                _values(dots, cost),
                _values(dots, error),
                s=22,
                color=colour,
                alpha=0.45,
                linewidths=0,
                label=origin,
                zorder=2,
            )


def _draw_front(axes: Axes, results: Results, cost: Quantity, error: Quantity) -> None:
    if not results.front:
        return
    steps = stairs(results, cost.name)
    axes.step(
        _values(steps, cost),
        _values(steps, error),
        where="post",
        color=ACCENT,
        alpha=0.35,
        linewidth=1.3,
        zorder=3,
    )
    axes.errorbar(
        _values(results.front, cost),
        _values(results.front, error),
        xerr=_distances(results.front, cost),
        yerr=_distances(results.front, error),
        fmt="o",
        color=ACCENT,
        elinewidth=1.1,
        markersize=6,
        markeredgecolor="white",
        markeredgewidth=0.8,
        label="front, 95 % intervals" if _any_interval(results.front) else "front",
        zorder=4,
    )


def _draw_finetuned(axes: Axes, results: Results, cost: Quantity, error: Quantity) -> None:
    """Colour the front's fine-tuned networks."""
    if tuned := [one for one in results.front if one.origin == "fine-tuned"]:
        axes.plot(
            _values(tuned, cost),
            _values(tuned, error),
            "o",
            color=ORIGINS["fine-tuned"],
            markersize=6,
            markeredgecolor="white",
            markeredgewidth=0.8,
            label="fine-tuned",
            zorder=5,
        )


def _draw_dense(axes: Axes, dense: Member, cost: Quantity, error: Quantity) -> None:
    axes.plot(
        _values([dense], cost),
        _values([dense], error),
        "D",
        color=INK,
        markersize=8,
        markeredgecolor="white",
        markeredgewidth=1,
        label="dense network",
        zorder=5,
    )


def _label_picks(axes: Axes, results: Results, cost: Quantity, error: Quantity) -> None:
    known = every_network(results)
    for id_, label in pick_labels(results).items():
        axes.annotate(
            label,
            (_values([known[id_]], cost)[0], _values([known[id_]], error)[0]),
            xytext=(-12, -20),  # nothing lies below and left of a front
            textcoords="offset points",
            ha="right",
            va="top",
            color=INK,
            fontsize=9,
            fontweight="bold",
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.7, "shrinkB": 5},
            zorder=6,
        )


def _finish(axes: Axes, results: Results, cost: Quantity, error: Quantity) -> None:
    _make_room(axes)
    axes.set_title(results.name, loc="left", color=INK, fontsize=12, fontweight="bold", pad=30)
    plain(axes, cost.title, error.title)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.012, 1.01),
        ncols=len(ORIGINS) + 2,
        borderaxespad=0.2,
        borderpad=0,
        handletextpad=0.1,
        columnspacing=1.1,
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
    )


def _make_room(axes: Axes) -> None:
    """Leave more of it below and left, where the labels stand."""
    axes.margins(0.06)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    axes.set_xlim(left - 0.06 * (right - left), right)
    axes.set_ylim(bottom - 0.08 * (top - bottom), top)


def _values(members: Iterable[Member], quantity: Quantity) -> list[float]:
    return [quantity.shown(member.objectives[quantity.name].value) for member in members]


def _any_interval(members: Iterable[Member]) -> bool:
    return any(
        estimate.low < estimate.high
        for member in members
        for estimate in member.objectives.values()
    )


def _distances(members: Sequence[Member], quantity: Quantity) -> list[list[float]]:
    """How far the intervals reach below and above the values, shape (2, members)."""
    estimates = [member.objectives[quantity.name] for member in members]
    return [
        [quantity.shown(estimate.value - estimate.low) for estimate in estimates],
        [quantity.shown(estimate.high - estimate.value) for estimate in estimates],
    ]
