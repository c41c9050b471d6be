import pytest

from secateur.search.candidate import Candidate, Estimate, Evaluation, Failure
from secateur.search.constraint import Constraint
from secateur.search.goals import Goals
from secateur.search.objective import Objective
from secateur.search.stopping import Patient

OBJECTIVES = (Objective("error", relative=False), Objective("macs", relative=True))


class Endless:
    """Counts what it is told, and always has another candidate."""

    def __init__(self) -> None:
        self.commits = 0

    def breed(self, asked, taken):  # noqa: ARG002
        return Candidate(len(asked), (len(asked),), "initial")

    def commit(self, outcome) -> None:  # noqa: ARG002
        self.commits += 1


def patient(*constraints: Constraint, **options) -> Patient:
    return Patient(Endless(), Goals(OBJECTIVES, constraints), **options)


def tell(algorithm: Patient, *outcomes: tuple[float, float] | None) -> bool:
    """Commit outcomes; tell whether there is another candidate."""
    for number, values in enumerate(outcomes):
        candidate = Candidate(number, (number,), "initial")
        algorithm.commit(
            Failure(candidate, "broken")
            if values is None
            else Evaluation(candidate, tuple(map(Estimate.exact, values)))
        )
    return algorithm.breed([], set()) is not None


def test_the_search_ends_when_the_hypervolume_stands_still():
    still = [(0.5, 8.0)] * 3
    assert tell(patient(patience=3), (0.5, 10.0), *still[:2])
    assert tell(patient(patience=3), (0.5, 10.0), (0.5, 8.0), *still[:2])
    assert not tell(patient(patience=3), (0.5, 10.0), (0.5, 8.0), *still)


def test_failures_gain_nothing():
    assert not tell(patient(patience=2), (0.5, 10.0), None, None)


def test_a_gain_that_is_too_small_does_not_count():
    assert not tell(patient(patience=2), (0.5, 10.0), (0.49999, 10.0), (0.49998, 10.0))
    assert tell(patient(patience=2, gain=0.0), (0.5, 10.0), (0.49999, 10.0), (0.49998, 10.0))


def test_small_gains_add_up():
    creeping = [(0.5 - 0.0002 * step, 10.0) for step in range(12)]
    assert tell(patient(patience=6), (0.5, 10.0), *creeping)


def test_a_gain_after_the_end_brings_the_search_back():
    """Candidates that are in flight when patience ends may gain, whoever commits them when."""
    algorithm = patient(patience=2)
    assert not tell(algorithm, (0.5, 10.0), (0.5, 10.0), (0.5, 10.0))
    assert tell(algorithm, (0.2, 5.0))


def test_what_violates_a_constraint_gains_nothing():
    bounded = patient(Constraint("macs", 0.6, relative=True), patience=2)
    assert not tell(bounded, (0.5, 10.0), (0.4, 8.0), (0.3, 7.0))


def test_patience_is_at_least_one_commit():
    with pytest.raises(ValueError, match="at least 1 commit, got 0"):
        patient(patience=0)
