"""Stages: what a unit has still to do, one after the other, each written once it is over."""

import time
from collections.abc import Callable

from ...methods.icpg.masker import Masker
from ...methods.icpg.rounds import Kept, Lottery
from .drawn import Drawn
from .rounds import DENSE, Row

Draw = Callable[[Kept], tuple[Kept, Masker | None]]
"""Makes what the next round keeps."""


def draw_all(lottery: Lottery, draw: Draw, drawn: Drawn, rounds: int) -> None:
    """Play every round of a unit that is not over yet; where training diverges, the unit ends."""
    kept, handed_out = lottery.begin(), drawn.unit.variant in (DENSE, "icpg")
    for number in (0,) if drawn.unit.variant == DENSE else range(1, rounds + 1):
        if drawn.has_failed:
            return
        try:
            kept, soft_s = kept_after(kept, draw, drawn) if number else (kept, 0.0)
            play(lottery, drawn, kept, soft_s, handed_out=handed_out)
        except FloatingPointError as error:
            drawn.fail(number, str(error))


def kept_after(kept: Kept, draw: Draw, drawn: Drawn) -> tuple[Kept, float]:
    """Return what the round after `kept` keeps, and the seconds of its soft stage."""
    known = drawn.kept(kept.round + 1)
    if known is not None:
        return known[0], known[2]
    began = time.monotonic()
    kept, masker = draw(kept)
    soft_s = time.monotonic() - began
    drawn.keep(kept, masker, soft_s)
    return kept, soft_s


def play(lottery: Lottery, drawn: Drawn, kept: Kept, soft_s: float, *, handed_out: bool) -> Row:
    """Train a round's ticket and return what came of it; its network is written if `handed_out`."""
    if (known := drawn.row(kept.round)) is not None:
        return known
    unit, began = drawn.unit, time.monotonic()
    fitted, network = lottery.play(kept)
    row = Row(
        unit.variant,
        unit.seed,
        unit.fold,
        kept.round,
        kept.edges_gone,
        kept.weights_gone,
        fitted.epoch,
        fitted.validation,
        fitted.test,
        fitted.best_test,
        soft_s,
        time.monotonic() - began,
    )
    if handed_out:
        drawn.trained(kept.round, network)
    drawn.played(kept.round, row)
    return row
