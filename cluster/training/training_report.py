"""Training report: what CLAD has learned and made, as a page that opens anywhere, and a picture."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...methods.models.exported import read_card
from ..exports.trained import PRUNED, RESULT
from ..reports.page import page
from ..runs.learned import Learned
from ..runs.quantity import Quantity, duration
from ..runs.record import Record
from ..storage.whole_file import write_whole
from .stages import FINETUNING, LEARNING, WATCHED_IMAGES, epochs_of
from .training_picture import training_picture

REPORT, PICTURE = "report.html", "training.png"


@dataclass(frozen=True, slots=True)
class Compared:
    """A quantity of the pruned network beside the dense one's."""

    quantity: Quantity
    value: float
    dense: float


@dataclass(frozen=True, slots=True)
class Width:
    """How many channels a group keeps of how many."""

    group: str
    kept: int
    dense: int


def write_training_report(run: Record, *, state: str | None = None) -> tuple[Path, Path]:
    """Write `report.html` and `training.png` into the run's folder and return their paths.

    `state` is what the page says of the run, if not what its journal does.
    """
    config, found = run.config, run.journal.fact(RESULT, {})
    learning, finetuning = (epochs_of(run, stage) for stage in (LEARNING, FINETUNING))
    picture = training_picture(learning, finetuning, target=config.clad.target)
    filled = page(
        Path(__file__).with_name("training.html"),
        config=config,
        state=state or run.state,
        elapsed=duration(run.journal.elapsed_seconds()),
        learning=learning,
        finetuning=finetuning,
        watched=WATCHED_IMAGES,
        compared=_compared(found),
        widths=_widths(run, found),
        picture=b64encode(picture).decode(),
    )
    return (
        write_whole(run.path / REPORT, filled.encode()),
        write_whole(run.path / PICTURE, picture),
    )


def _compared(found: Mapping[str, Any]) -> list[Compared]:
    """Error on the final split, latency and costs; nothing before they are known."""
    rows = []
    for name in ("final_error", "latency_ms", "macs", "params", "memory_bytes"):
        if name in found:
            value, dense = (
                one["value"] if isinstance(one, Mapping) else one
                for one in (found[name], found[f"dense_{name}"])
            )
            error = name == "final_error"
            quantity = Quantity.of("error" if error else name, dense, relative=not error)
            rows.append(Compared(quantity, value, dense))
    return rows


def _widths(run: Record, found: Mapping[str, Any]) -> list[Width]:
    """What each group keeps, once the network is made."""
    if not found:
        return []
    groups, scores = read_card(run.path / PRUNED)["groups"], Learned.load(run.path).scores
    return [
        Width(group, kept, len(score))
        for group, kept, score in zip(groups, found["widths"], scores, strict=True)
    ]
