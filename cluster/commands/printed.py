"""Printed: what commands have found, as a person reads it on a terminal."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from ...actors.job import DEVICE
from ...search.candidate import Estimate
from ..runs.quantity import Quantity, quantities
from ..runs.results import Member, Results

if TYPE_CHECKING:
    from ...methods.pruning.plan import Plan  # what imports torch is named only
    from ..exports.cut import GroupRow


def print_front(path: Path, results: Results) -> None:
    """Print the front of the run at a path, beside the dense network."""
    dense, shown = results.dense, quantities(results)
    objectives = [quantity.name for quantity in shown]
    counted = [
        Quantity.of(name, getattr(dense, name))
        for name in ("macs", "params")
        if name not in objectives
    ]
    table = Table(title=f"Pareto front of {path}: {len(results.front)} networks")
    table.add_column("id", justify="right")
    for quantity in shown:
        table.add_column(quantity.title, justify="right")
    table.add_column("Final error (%)", justify="right")
    for quantity in counted:
        table.add_column(quantity.title, justify="right")
    table.add_column("Origin")
    picks = {number: name for name, number in results.picks.items()}
    for member in (dense, *(m for m in results.front if m.id != dense.id)):
        cells = [str(member.id)]
        for quantity in shown:
            value = member.objectives[quantity.name].value
            than = dense.objectives[quantity.name].value
            versus = f" ({quantity.versus(value, than)})" if quantity.relative else ""
            mark = "≈ " if quantity.name in member.predicted else ""
            cells.append(mark + quantity.text(value) + versus)
        cells.append(shown[0].text(member.final_error.value) if member.final_error else "")
        cells += [quantity.text(getattr(member, quantity.name)) for quantity in counted]
        table.add_row(*cells, picks.get(member.id, member.origin))
    console().print(table)
    if any(member.predicted for member in results.front):
        click.echo("≈ predicted; measured when the search ends")
    if results.constraints:
        kept = len(results.members) - results.infeasible
        click.echo(
            f"{', '.join(results.constraints)}: kept by {kept} of {len(results.members)} networks"
            + ("" if kept else "; shown is the one that comes nearest")
            + (f"; {results.spared} more were spared the evaluators" if results.spared else "")
        )


def print_status(values: Mapping[str, Any]) -> None:
    """Print how far a run is, a line for each value."""
    width = max(13, *map(len, values))
    for name, value in values.items():
        click.echo(f"{name:<{width}} {_told(name, value)}")


def print_files(path: Path) -> None:
    """Print where a complete run's files are."""
    click.echo(f"report    {path / 'report.html'}")
    click.echo(f"picture   {path / 'front.png'}")
    for folder in sorted((path / "exports").iterdir()):
        click.echo(f"network   {folder}")


def print_finetuned(pairs: Sequence[tuple[Member, Member]], folder: Path) -> None:
    """Print networks as they were and as they are after fine-tuning, below a folder."""
    for was, now in pairs:
        click.echo(
            f"network {now.id}   network {was.id} fine-tuned, error "
            f"{_percent(was.objectives['error'])} before, {_percent(now.objectives['error'])} now, "
            f"{_percent(now.final_error)} on the final split"
        )
        click.echo(f"          {folder / str(now.id)}")


def print_trained(path: Path, status: Mapping[str, Any]) -> None:
    """Print what training has made of a network, beside the dense one."""
    error, dense_error = status["final_error"]["value"], status["dense_final_error"]["value"]
    latency, dense_ms = status["latency_ms"]["value"], status["dense_latency_ms"]["value"]
    click.echo(
        f"final error   {100 * error:.2f} %, the dense network {100 * dense_error:.2f} %\n"
        f"MACs          {status['macs']:,} of {status['dense_macs']:,} "
        f"({status['macs'] / status['dense_macs']:.3f}x)\n"
        f"parameters    {status['params']:,} of {status['dense_params']:,} "
        f"({status['params'] / status['dense_params']:.3f}x)\n"
        f"latency       {latency:.3f} of {dense_ms:.3f} ms ({latency / dense_ms:.3f}x)\n"
        f"network       {path / 'pruned'}\n"
        f"report        {path / 'report.html'}"
    )


def print_groups(model: str, rows: Sequence["GroupRow"], plan: "Plan", macs: int) -> None:
    """Print the groups that can be cut, and the layers that are left alone."""
    table = Table(title=f"{model}: {len(rows)} groups, {macs / 1e6:.2f} M multiply-adds")
    for title in ("Group", "Width", "Unit", "MACs (%)", "Layers"):
        table.add_column(title, justify="left" if title in ("Group", "Layers") else "right")
    for row in rows:
        layers = ", ".join(layer for layer in row.layers if layer != row.name)
        table.add_row(
            row.name, str(row.width), str(row.unit), f"{100 * row.macs_share:.1f}", layers
        )
    console().print(table)
    for layer, reason in plan.skipped:
        click.echo(f"left alone    {layer}: {reason}")


def print_card(card: Mapping[str, Any]) -> None:
    """Print what is left of a cut network, and how well it is proved."""
    dense, proof = card["dense"], card["certificate"]
    for name, title in (("macs", "MACs"), ("params", "parameters"), ("memory_bytes", "memory")):
        click.echo(
            f"{title:<13} {card[name]:,} of {dense[name]:,} ({card[name] / dense[name]:.2f}x)"
        )
    click.echo(
        f"certificate   masked and sliced agree within {proof['masked_vs_sliced']:.1e}, PyTorch "
        f"and ONNX Runtime within {proof['torch_vs_onnx']:.1e}, on {proof['images']} images"
    )


def _told(name: str, value: Any) -> str:
    """One value of a status, in a line."""
    if name == DEVICE:
        from ...methods.measuring.fingerprint import described  # imports ONNX Runtime

        return described(value)
    if isinstance(value, Mapping):
        if value.keys() == {"value", "low", "high"}:
            return _estimated(name, Estimate(**value))
        return ", ".join(f"{key} {_told(key, one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _estimated(name: str, estimate: Estimate) -> str:
    """What was measured, with its unit and its interval."""
    kind = name.removeprefix("dense_").removeprefix("final_")
    shown = Quantity.of(kind, estimate.value)
    interval = shown.interval(estimate)
    return f"{shown.text(estimate.value)} {shown.unit}" + (f" [{interval}]" if interval else "")


def _percent(error: Estimate | None) -> str:
    return f"{100 * error.value:.2f} %" if error else "unknown"


def console() -> Console:
    """A console as wide as the terminal, or wide enough for a file."""
    return Console(width=None if sys.stdout.isatty() else 120)
