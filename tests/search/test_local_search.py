from collections.abc import Sequence

import numpy as np

from secateur.search.constraint import Constraint
from secateur.search.goals import Goals, Judge
from secateur.search.local_search import Landscape, climb, predicted
from secateur.search.objective import Objective
from secateur.search.space import LayerGroup, Space

SPACE = Space(tuple(LayerGroup(f"g{index}", 64, 8, 8) for index in range(3)))


def column(index: int, *, deviation: float = 0.0):
    """A predictor that reads an objective off one group's width, in hundredths."""

    def predict(genomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return genomes[:, index] / 100, np.full(len(genomes), deviation)

    return predict


def beside(*dense: float, bounds: Sequence[Constraint] = ()) -> Judge:
    """A judge of as many objectives as there are values of the dense network beside bounds."""
    count = len(dense) - len(bounds)
    objectives = tuple(Objective(f"f{index}", relative=True) for index in range(count))
    return Goals(objectives, tuple(bounds)).beside(dense)


def landscape(points: list[list[float]], *, optimism: float = 0.0, deviation: float = 0.0):
    predictors = [column(0, deviation=deviation), column(1, deviation=deviation)]
    return Landscape(predictors, beside(1.0, 1.0), np.array(points), optimism)


def test_a_genome_that_pushes_the_front_scores_the_hypervolume_it_gains():
    scores = landscape([[0.5, 0.5]]).scores(np.array([(40, 40), (30, 60)]))
    np.testing.assert_allclose(scores, [0.7**2 - 0.6**2, 0.2 * 0.5])


def test_a_dominated_genome_scores_below_0_by_its_depth():
    scores = landscape([[0.5, 0.5], [0.2, 0.9]]).scores(np.array([(70, 60), (50, 50), (90, 50)]))
    np.testing.assert_allclose(scores, [-0.1, 0.0, 0.0], atol=1e-12)


def test_predictions_are_divided_into_the_scale_of_the_points():
    scaled = Landscape([column(0), column(1)], beside(0.5, 2.0), np.array([[1.0, 1.0]]), 0.0)
    np.testing.assert_allclose(scaled.scores(np.array([(40, 40)])), 0.3 * 0.9 - 0.1 * 0.1)
    np.testing.assert_allclose(predicted(scaled.predictors, np.array([(40, 40)])), [[0.4, 0.4]])


def test_optimism_takes_deviations_off_the_scores_but_not_off_the_predictions():
    hopeful = landscape([[0.5, 0.5]], optimism=2.0, deviation=0.05)
    np.testing.assert_allclose(hopeful.scores(np.array([(50, 50)])), 0.7**2 - 0.6**2)
    np.testing.assert_allclose(predicted(hopeful.predictors, np.array([(50, 50)])), [[0.5, 0.5]])


def test_a_genome_beyond_the_reference_scores_below_0_by_how_far():
    bounded = Landscape(
        [column(0), column(1)],
        beside(1.0, 1.0),
        np.array([[0.4, 0.9]]),
        0.0,
        np.array([0.5, 1.1]),
    )
    scores = bounded.scores(np.array([(64, 8), (48, 8), (40, 96)]))
    gain = 0.02 * 1.02 - 0.02 * 0.2  # what (0.48, 0.08) adds below (0.5, 1.1)
    np.testing.assert_allclose(scores, [-0.14, gain, 0.0], atol=1e-12)


def go(landscape: Landscape, starts: list[tuple[int, ...]], **options):
    chosen = {"taken": set(), "steps": 20, "neighbours": 10, **options}
    return climb(landscape, SPACE, starts, np.random.default_rng(0), **chosen)


def test_the_climb_reaches_the_top():
    assert go(landscape([[0.9, 0.9]]), [(64, 64, 64)])[:2] == (8, 8)


def test_the_climb_brings_home_nothing_that_is_taken():
    taken = {(8, 8, width) for width in SPACE.choices[2]}
    found = go(landscape([[0.9, 0.9]]), [(64, 64, 64)], taken=taken)
    assert sum(found[:2]) == 24
    assert found not in taken


def test_a_climb_among_taken_genomes_brings_home_nothing():
    class Everything:
        def __contains__(self, genome: object) -> bool:
            return True

    assert go(landscape([[0.9, 0.9]]), [(64, 64, 64)], taken=Everything()) is None


def test_a_climb_without_steps_brings_home_nothing():
    assert go(landscape([[0.9, 0.9]]), [(64, 64, 64)], steps=0) is None


def test_a_step_changes_one_or_two_groups_by_one_or_two_places():
    start = (32, 32, 32)
    for seed in range(100):
        found = climb(
            landscape([[0.9, 0.9]]),
            SPACE,
            [start],
            np.random.default_rng(seed),
            taken={start},
            steps=1,
            neighbours=3,
        )
        moved = np.abs(SPACE.positions(found) - SPACE.positions(start))
        assert 1 <= np.count_nonzero(moved) <= 2
        assert moved.max() <= 2


def test_several_climbers_bring_home_the_best_of_all():
    found = go(landscape([[0.9, 0.9]]), [(64, 64, 64), (8, 16, 8)], steps=2, taken={(8, 16, 8)})
    assert found[:2] == (8, 8)


def test_the_same_generator_climbs_the_same_way():
    paths = [go(landscape([[0.3, 0.3]]), [(64, 64, 64)], steps=3) for _ in range(2)]
    assert paths[0] == paths[1]


def test_a_space_of_one_group_can_be_climbed():
    space = Space((LayerGroup("g", 64, 8, 8),))
    line = Landscape([column(0)], beside(1.0), np.array([[0.9]]), 0.0)
    found = climb(
        line, space, [(64,)], np.random.default_rng(0), taken=set(), steps=10, neighbours=4
    )
    assert found == (8,)


def test_a_genome_that_violates_a_constraint_scores_below_0_by_how_much():
    bounded = Landscape(
        [column(0), column(1), column(2)],
        beside(1.0, 1.0, 1.0, bounds=[Constraint("params", 0.4, relative=False)]),
        np.empty((0, 2)),
        0.0,
    )
    scores = bounded.scores(np.array([(40, 40, 60), (40, 40, 40)]))
    np.testing.assert_allclose(scores, [-0.5, 0.7 * 0.7])
