"""Ticket report: what a lottery has found as a page that opens anywhere, and as a picture."""

from base64 import b64encode
from pathlib import Path

from ..reports.page import page
from ..runs.quantity import duration
from ..storage.whole_file import write_whole
from .graph_record import PICTURE, REPORT, GraphRecord
from .ticket_picture import VARIANTS, ticket_picture


def write_ticket_report(record: GraphRecord, *, state: str | None = None) -> tuple[Path, Path]:
    """Write `report.html` and `tickets.png` into the run's folder and return their paths.

    `state` is what the page says of the run, if not what its journal does.
    """
    found, config = record.tickets(), record.config
    picture = ticket_picture(config.name, found)
    filled = page(
        Path(__file__).with_name("tickets.html"),
        config=config,
        found=found,
        lost=record.lost,
        state=state or record.journal.state,
        elapsed=duration(record.journal.elapsed_seconds()),
        names={variant: label for variant, (_, label) in VARIANTS.items()},
        picture=b64encode(picture).decode(),
    )
    return (
        write_whole(record.path / REPORT, filled.encode()),
        write_whole(record.path / PICTURE, picture),
    )
