"""Quantities: how a measured number is named, scaled and rounded for people."""

import math
from dataclasses import dataclass

from ...search.candidate import Estimate
from .results import Results

_BYTES = {"bytes": 1.0, "kib": 1024.0, "mib": 1024.0**2, "gib": 1024.0**3}
_UNITS = {"s": "s", "ms": "ms", "us": "µs", "ns": "ns", "j": "J", "mj": "mJ", "w": "W"}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of number as people read it: what is stored, times `factor`, is shown in `unit`.

    A `relative` quantity is compared with the dense network's as a multiple, any other one as a
    difference.
    """

    name: str
    label: str
    unit: str
    factor: float
    decimals: int
    relative: bool = True

    @classmethod
    def of(cls, name: str, typical: float, *, relative: bool = True) -> "Quantity":
        """Read the unit and the target off the name; `typical` decides prefix and decimals."""
        if name == "error":
            return cls(name, "Error", "%", 100.0, 2, relative)
        kind, _, target = name.partition("@")
        stem, unit, factor = _unit(kind, typical)
        label = {"macs": "MACs"}.get(stem, stem.replace("_", " ").capitalize())
        label = f"{label} on {target}" if target else label
        return cls(name, label, unit, factor, _decimals(typical * factor), relative)

    @property
    def title(self) -> str:
        """The label with its unit, for an axis or a column."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def shown(self, value: float) -> float:
        """The number to draw, in `unit`."""
        return value * self.factor

    def text(self, value: float) -> str:
        """The number to print, without its unit."""
        return f"{self.shown(value):,.{self.decimals}f}"

    def interval(self, estimate: Estimate) -> str:
        """The confidence interval to print; nothing where the number is exact."""
        if estimate.low == estimate.high:
            return ""
        return f"{self.text(estimate.low)} \N{EN DASH} {self.text(estimate.high)}"

    def versus(self, value: float, dense: float) -> str:
        """How a value compares with the dense network: a multiple, or `+0.31 pt` for a share."""
        if not self.relative:
            difference = f"{self.shown(value - dense):+.{self.decimals}f}"
            unit = "pt" if self.unit == "%" else self.unit
            return f"{difference} {unit}".strip().replace("-", "\N{MINUS SIGN}")
        return f"{value / dense:.2f}\N{MULTIPLICATION SIGN}" if dense else ""


def quantities(results: Results) -> tuple[Quantity, ...]:
    """Return the objectives as quantities: error first, then latency, then the other costs."""
    names = [objective.name for objective in results.objectives]
    if "error" not in names or len(names) < 2:
        raise ValueError(
            f"a report shows error against a cost, got the objectives {', '.join(names) or 'none'}"
        )
    ordered = sorted(
        results.objectives,
        key=lambda one: (one.name != "error", not one.name.startswith("latency")),
    )
    return tuple(
        Quantity.of(one.name, results.dense.objectives[one.name].value, relative=one.relative)
        for one in ordered
    )


def duration(seconds: float) -> str:
    """Return a length of time as people say it: `42 s`, `12 min 5 s`, `3 h 7 min`, `2 d 4 h`."""
    rest = round(seconds)
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        parts.append((count, unit))
    first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(
        f"{count} {unit}"
        for place, (count, unit) in enumerate(parts[first : first + 2])
        if count or not place
    )


def _unit(name: str, typical: float) -> tuple[str, str, float]:
    """The name without its unit, the unit shown, and the factor from one to the other."""
    stem, _, suffix = name.rpartition("_")
    if stem and suffix in _BYTES:
        size = _BYTES[suffix]
        unit, shown = ("MiB", "mib") if typical * size >= _BYTES["mib"] else ("KiB", "kib")
        return stem, unit, size / _BYTES[shown]
    if stem and suffix in _UNITS:
        return stem, _UNITS[suffix], 1.0
    if name == "params" and typical < 1e6:
        return name, "k", 1e-3
    if name in ("macs", "params"):
        return name, "M", 1e-6
    return name, "", 1.0


def _decimals(typical: float) -> int:
    """As many as give the typical number four significant digits."""
    return min(max(3 - math.floor(math.log10(typical)), 0), 6) if typical > 0 else 2
