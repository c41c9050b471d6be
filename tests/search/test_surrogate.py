import numpy as np
import pytest

from secateur.search.surrogate import Genomes, agreement

GENOMES = np.arange(1, 21)[:, None]
VALUES = np.sin(np.arange(20.0))


class Fake:
    """Answers with the genome's first width, and remembers what it was fitted to."""

    def __init__(self, sign: float = 1.0) -> None:
        self.sign = sign
        self.fitted: list[int] = []
        self.asked: list[int] = []

    def __call__(self, genomes: Genomes, values: np.ndarray) -> "Fake":
        self.fitted = genomes[:, 0].tolist()
        assert len(values) == len(genomes)
        return self.Predictor(self)

    class Predictor:
        def __init__(self, fake: "Fake") -> None:
            self.fake = fake

        def __call__(self, genomes: Genomes) -> tuple[np.ndarray, np.ndarray]:
            self.fake.asked = genomes[:, 0].tolist()
            return self.fake.sign * genomes[:, 0].astype(float), np.zeros(len(genomes))


def test_a_surrogate_that_ranks_right_agrees_wholly():
    assert agreement(Fake(), GENOMES, np.arange(20.0)) == pytest.approx(1.0)


def test_a_surrogate_that_ranks_the_other_way_disagrees_wholly():
    assert agreement(Fake(-1.0), GENOMES, np.arange(20.0)) == pytest.approx(-1.0)


def test_the_genomes_it_is_judged_on_are_not_those_it_was_fitted_to():
    fake = Fake()
    agreement(fake, GENOMES, VALUES)
    assert fake.asked == [4, 8, 12, 16, 20]
    assert sorted(fake.fitted + fake.asked) == GENOMES[:, 0].tolist()


def test_values_or_predictions_that_never_change_agree_with_nothing():
    assert agreement(Fake(), GENOMES, np.ones(20)) == 0.0
    assert agreement(Fake(0.0), GENOMES, np.arange(20.0)) == 0.0


def test_too_few_genomes_to_rank_agree_with_nothing():
    assert agreement(Fake(), GENOMES[:7], np.arange(7.0)) == 0.0
    assert agreement(Fake(), GENOMES[:8], np.arange(8.0)) == pytest.approx(1.0)
