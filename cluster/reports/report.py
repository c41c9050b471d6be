"""Report: a run's findings as a page that opens anywhere, and as a picture.

The page holds everything it shows, plotly.js included, and forbids itself the network.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from ...actors.job import is_measured
from ..runs.quantity import Quantity, duration, quantities
from ..runs.results import Member, Results
from ..storage.whole_file import write_whole
from .page import page
from .picture import ORIGINS, every_network, front_picture, pick_labels, stairs


def write_report(
    results: Results, directory: Path, beside: Sequence[tuple[Path, Results]] = ()
) -> tuple[Path, Path]:
    """Write `report.html` and `front.png` into a directory and return their paths.

    The hypervolumes of the runs `beside`, each with its folder, are drawn with this one's; they
    must have the same objectives. Each file is replaced whole, so that a page that is being read
    never breaks.
    """
    for _, other in beside:
        if other.objectives != results.objectives:
            ours, theirs = (
                ", ".join(one.name for one in run.objectives) for run in (results, other)
            )
            raise ValueError(
                f"only runs with the same objectives can be compared: {results.name} has {ours}, "
                f"{other.name} has {theirs}"
            )
    if not results.members:
        raise ValueError(
            f"run {results.name!r} has no measured network yet, and a report compares with the "
            "dense one: report again after the first evaluation"
        )
    page, picture = _page([(directory, results), *beside]), front_picture(results)
    directory.mkdir(parents=True, exist_ok=True)
    return (
        write_whole(directory / "report.html", page.encode()),
        write_whole(directory / "front.png", picture),
    )


def _page(runs: Sequence[tuple[Path, Results]]) -> str:
    """The page of the first run, with the others beside it."""
    (_, results), *beside = runs
    known = every_network(results)
    rows = (results.dense, *(one for one in results.front if one.id != results.dense.id))
    return page(
        Path(__file__).with_name("report.html"),
        results=results,
        known=known,
        rows=rows,
        selectable=(*rows, *(known[id_] for id_ in pick_labels(results) if known[id_] not in rows)),
        origins=[origin for origin in ORIGINS if origin in {one.origin for one in results.members}],
        columns=quantities(results),
        sizes=_sizes(results),
        labels=pick_labels(results),
        elapsed=duration(results.elapsed_s),
        facts=_facts(runs),
        beside=beside,
        plotly=Markup(get_plotlyjs()),
    )


def _facts(runs: Sequence[tuple[Path, Results]]) -> dict[str, Any]:
    """What the page's charts are drawn from, in the units shown."""
    (_, results), *beside = runs
    label, *others = _labels(runs)
    error, *costs = quantities(results)
    return {
        "error": _axis(error),
        "costs": [_axis(cost) for cost in costs],
        "networks": [_network(member, results) for member in every_network(results).values()],
        "dense": results.dense.id,
        "front": [member.id for member in results.front],
        "stairs": {
            cost.name: [member.id for member in stairs(results, cost.name)] for cost in costs
        },
        "labels": pick_labels(results),
        "origins": list(ORIGINS),
        "groups": results.groups,
        "hypervolumes": results.hypervolumes,
        "label": label,
        "beside": [
            {"label": other, "hypervolumes": run.hypervolumes}
            for other, (_, run) in zip(others, beside, strict=True)
        ],
        "surrogates": _surrogates(results),
        "budget": results.budget,
        "chosen": results.picks.get("knee", results.dense.id),
    }


def _labels(runs: Sequence[tuple[Path, Results]]) -> list[str]:
    """Algorithm and seed of each run, and its folder where others have the same."""
    labels = [f"{run.algorithm}, seed {run.seed}" for _, run in runs]
    return [
        label if labels.count(label) == 1 else f"{label}, {folder}"
        for label, (folder, _) in zip(labels, runs, strict=True)
    ]


def _surrogates(results: Results) -> list[dict[str, Any]]:
    """Each learned quantity's Kendall tau over the candidates that its surrogate helped to choose.

    What is counted is not learned: its formula is always right.
    """
    return [
        {
            "label": Quantity.of(name, 1.0).label,
            "numbers": [number for number, _ in results.agreement],
            "taus": [tau[name] for _, tau in results.agreement],
        }
        for name in (results.agreement[0][1] if results.agreement else ())
        if is_measured(name)
    ]


def _axis(quantity: Quantity) -> dict[str, str]:
    return {"name": quantity.name, "title": quantity.title, "unit": quantity.unit}


def _network(member: Member, results: Results) -> dict[str, Any]:
    return {
        "id": member.id,
        "origin": member.origin,
        "widths": member.widths,
        "criteria": member.criteria,
        "hover": _hover(member, results),
        "estimates": {
            one.name: [
                one.shown(number)
                for number in (
                    member.objectives[one.name].value,
                    member.objectives[one.name].low,
                    member.objectives[one.name].high,
                )
            ]
            for one in quantities(results)
        },
    }


def _hover(member: Member, results: Results) -> str:
    """All that is known of a network, as lines of the little HTML that plotly understands."""
    dense = results.dense
    label = pick_labels(results).get(member.id)
    lines = [f"<b>Network {member.id}</b>" + (f" · {escape(label)}" if label else "")]
    for quantity in quantities(results):
        estimate = member.objectives[quantity.name]
        line = f"{escape(quantity.label)} {quantity.text(estimate.value)} {quantity.unit}"
        if interval := quantity.interval(estimate):
            line += f" [{interval}]"
        if quantity.name in member.predicted:
            line += ", predicted"
        lines.append(
            f"{line}, {quantity.versus(estimate.value, dense.objectives[quantity.name].value)}"
        )
    for quantity in _sizes(results):
        value, whole = getattr(member, quantity.name), getattr(dense, quantity.name)
        lines.append(
            f"{quantity.label} {quantity.text(value)} {quantity.unit}, "
            f"{quantity.versus(value, whole)}"
        )
    if member.final_error is not None:
        error = quantities(results)[0]
        lines.append(f"Final error {error.text(member.final_error.value)} %")
    lines.append(f"Origin: {member.origin}")
    return "<br>".join(lines)


def _sizes(results: Results) -> tuple[Quantity, ...]:
    """MACs and parameters, unless they are objectives and shown as such."""
    objectives = {objective.name for objective in results.objectives}
    counts = {"macs": results.dense.macs, "params": results.dense.params}
    return tuple(
        Quantity.of(name, count) for name, count in counts.items() if name not in objectives
    )
