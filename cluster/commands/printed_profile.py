"""Printed profile: what was measured of one network or of two, as a person reads it."""

import click

from ...methods.measuring.fingerprint import described
from ...methods.measuring.latency import Comparison
from ..profiling.profile import Profile
from ..profiling.sweep import Swept
from ..runs.quantity import Quantity
from ..settings.config import Latency


def print_profile(model: str, found: Profile) -> None:
    """Print what a network takes on a target."""
    estimate = found.latency.estimate
    shown = Quantity.of("latency_ms", estimate.value)
    click.echo(f"{model} on {described(found.device)}")
    click.echo(
        f"latency       {shown.text(estimate.value)} ms [{shown.interval(estimate)}], "
        f"{found.latency.sittings} sittings, {found.latency.calls} calls"
    )
    click.echo(f"throughput    {1e3 * found.device['batch'] / estimate.value:,.0f} images/s")
    click.echo(f"weights       {_bytes(found.weight_bytes)}")
    if found.peak_activation_bytes is not None:
        click.echo(f"activations   {_bytes(found.peak_activation_bytes)} at their peak")
    click.echo(f"resident      {_bytes(found.resident_bytes)} at its peak, in a process of its own")
    if found.energy_j is None:
        click.echo("energy        not counted here")
    else:
        click.echo(f"energy        {1e3 * found.energy_j:.3g} mJ a call ({found.energy_by})")


def print_swept(model: str, found: Swept) -> None:
    """Print what a sweep has learned."""
    click.echo(
        f"{model} in {found.cuts} random widths: {found.timed} layers timed, {found.known} "
        "different ones known of this target by now"
    )
    if found.error is None:
        click.echo("too few different layers to predict others: give a larger --sweep")
    else:
        click.echo(
            f"layers of other widths are predicted within {100 * found.error:.1f} % (median)"
        )


def print_comparison(one: str, other: str, settings: Latency, found: Comparison) -> None:
    """Print whether the other network is faster."""
    ratio = found.ratio
    told = {
        "faster": f"{other} is faster than {one}",
        "slower": f"{other} is slower than {one}",
        "cannot tell": f"cannot tell {other} from {one}",
    }[found.verdict]
    click.echo(
        f"{told}: {ratio.value:.3f}x its latency [{ratio.low:.3f} \N{EN DASH} {ratio.high:.3f}], "
        f"{found.other_ms:.3f} beside {found.one_ms:.3f} ms "
        f"({settings.provider}, threads: {settings.threads}, batch: {settings.batch}, "
        f"{settings.precision}; {found.sittings} sittings)"
    )


def _bytes(count: int) -> str:
    quantity = Quantity.of("memory_bytes", count)
    return f"{quantity.text(count)} {quantity.unit}"
