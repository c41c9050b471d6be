"""Loading: what was handed out, whatever it is."""

from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from ...methods.models.exported import TICKET, read_card
from ...methods.models.exported import load as load_network

if TYPE_CHECKING:
    from ...methods.icpg.ticket import Ticket  # PyTorch Geometric takes seconds to import


def load(directory: str | Path) -> "nn.Module | Ticket":
    """Rebuild what a run has handed out, in evaluation mode, from safetensors and JSON.

    A network as a PyTorch module; a graph network's ticket as a pair of the module and the
    transform that removes edges from its graphs. ValueError where the folder holds neither, or is
    damaged.
    """
    directory = Path(directory)
    if TICKET in read_card(directory):
        from ...methods.icpg.ticket import load as load_ticket

        return load_ticket(directory)
    return load_network(directory)
