"""What rounds amount to, from rows alone."""

from secateur.cluster.lottery.rounds import Row
from secateur.cluster.lottery.tickets import Tickets, tickets_of

REMOVED = {"icpg": (0.05, 0.2), "weights": (0.0, 0.2)}


def row(variant: str, number: int, fold: int, test: float, *, validation: float = 0.5) -> Row:
    return Row(variant, 0, fold, number, 0.1, 0.2, 1, validation, test, test, 1.0, 1.0)


def tickets(*rows: Row) -> Tickets:
    """Tickets beside dense networks of two folds, with test scores of 0.1 and 0.2."""
    dense = [row("dense", 0, fold, test) for fold, test in enumerate((0.1, 0.2))]
    found = tickets_of([*dense, *rows], removed=REMOVED, times={}, thinning={})
    assert found is not None
    return found


def test_the_best_ticket_is_the_one_that_validates_best():
    first = [row("icpg", 1, fold, 0.1, validation=0.9) for fold in (0, 1)]
    second = [row("icpg", 2, fold, 0.95, validation=0.8) for fold in (0, 1)]
    found = tickets(*first, *second)
    assert found.best.round == 1
    assert found.deepest.round == 2


def test_a_ticket_that_is_as_good_as_the_dense_network_wins():
    (tied,) = tickets(row("icpg", 1, 0, 0.0), row("icpg", 1, 1, 0.3)).tickets
    assert tied.gain < 0  # by rounding
    assert tied.wins
    (worse,) = tickets(row("icpg", 1, 0, 0.0), row("icpg", 1, 1, 0.299)).tickets
    assert not worse.wins


def test_what_should_be_gone_is_what_the_variants_rounds_remove():
    icpg, weights = tickets(row("icpg", 3, 0, 0.1), row("weights", 3, 0, 0.1)).tickets
    assert (icpg.nominal_edges, icpg.nominal_weights) == (1 - 0.95**3, 1 - 0.8**3)
    assert (weights.nominal_edges, weights.nominal_weights) == (0.0, 1 - 0.8**3)
