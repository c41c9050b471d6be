import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.search.space import LayerGroup, Space
from secateur.search.variation import crossover, mutate

SPACE = Space(
    (
        LayerGroup("a", 32, 8, 8),
        LayerGroup("b", 30, 4, 4),
        LayerGroup("only one choice", 8, 8, 8),
        LayerGroup("one channel", 1, 1, 8),
        LayerGroup("c", 64, 1, 1),
    )
)
MANY = Space(SPACE.groups, criteria=3)
OPERATORS = {
    "crossover": lambda rng: crossover(SPACE, (32, 4, 8, 1, 50), (8, 30, 8, 1, 3), rng),
    "mutation": lambda rng: mutate(SPACE, (16, 12, 8, 1, 30), rng, eta=5.0, rate=1.0),
}
BOTH = pytest.mark.parametrize("vary", OPERATORS.values(), ids=OPERATORS)


@BOTH
@given(seed=st.integers(0, 2**32))
def test_every_child_stands_on_the_grid(vary, seed):
    child = vary(np.random.default_rng(seed))
    assert all(width in choices for width, choices in zip(child, SPACE.choices, strict=True))


@BOTH
def test_the_same_generator_makes_the_same_child(vary):
    assert vary(np.random.default_rng(3)) == vary(np.random.default_rng(3))


@BOTH
def test_one_generator_makes_one_child_after_another(vary):
    rng = np.random.default_rng(3)
    assert len({vary(rng) for _ in range(20)}) > 5


@BOTH
def test_pythons_own_generator_neither_moves_nor_matters(vary):
    random.seed(1)
    state = random.getstate()
    child = vary(np.random.default_rng(3))
    assert random.getstate() == state
    random.seed(2)
    assert vary(np.random.default_rng(3)) == child


def test_pythons_own_generator_is_put_back_after_an_error():
    state = random.getstate()
    with pytest.raises(TypeError):
        mutate(SPACE, SPACE.dense, np.random.default_rng(0), eta="wide", rate=1.0)
    assert random.getstate() == state


def test_equal_parents_have_a_child_that_is_equal_to_them():
    parent = (16, 12, 8, 1, 30)
    for seed in range(20):
        assert crossover(SPACE, parent, parent, np.random.default_rng(seed)) == parent


def test_a_child_takes_after_both_parents():
    mother, father = (32, 30, 8, 1, 64), (8, 4, 8, 1, 1)
    rng = np.random.default_rng(0)
    children = [crossover(SPACE, mother, father, rng) for _ in range(50)]
    near = [[abs(c[0] - p[0]) <= 8 for c in children] for p in (mother, father)]
    assert all(map(any, near))


def test_at_a_rate_of_0_nothing_mutates():
    widths = (16, 12, 8, 1, 30)
    assert mutate(SPACE, widths, np.random.default_rng(0), eta=5.0, rate=0.0) == widths


def test_mutation_reaches_every_width_the_ends_included():
    rng = np.random.default_rng(0)
    children = [mutate(SPACE, (16, 12, 8, 1, 30), rng, eta=1.0, rate=1.0) for _ in range(1000)]
    for group in (0, 1, 2, 3):
        assert {child[group] for child in children} == set(SPACE.choices[group])


def test_the_first_and_the_last_width_have_as_long_a_stretch_of_the_axis_as_the_others():
    space, rng = Space((LayerGroup("g", 32, 8, 8),)), np.random.default_rng(0)
    for start, end in [(16, 8), (24, 32)]:
        # At eta = 0 a gene moves to either side half the time, and there uniformly: from the second
        # of four widths, one of the one and a half steps to the end belongs to the end.
        children = [mutate(space, (start,), rng, eta=0.0, rate=1.0) for _ in range(4000)]
        assert children.count((end,)) / 4000 == pytest.approx(1 / 3, abs=0.03)


def test_mutation_takes_small_steps_more_often_than_large_ones():
    rng = np.random.default_rng(0)
    children = [mutate(SPACE, (16, 12, 8, 1, 32), rng, eta=20.0, rate=1.0) for _ in range(300)]
    steps = [abs(child[4] - 32) for child in children]
    assert np.mean(np.array(steps) <= 4) > 0.5


def test_a_criterion_comes_from_either_parent():
    rng = np.random.default_rng(0)
    mother, father = (8, 4, 8, 1, 1, 0, 1, 0, 0, 2), (16, 8, 8, 1, 9, 2, 1, 0, 0, 1)
    children = [crossover(MANY, mother, father, rng) for _ in range(60)]
    assert {child[5] for child in children if child[0] < 32} == {0, 2}
    assert {child[6] for child in children if child[1] < 30} == {1}
    assert {child[8] for child in children} == {0}  # it keeps all its channels


def test_mutation_draws_criteria_at_its_rate():
    rng = np.random.default_rng(0)
    genome = (8, 4, 8, 1, 1, 0, 0, 0, 0, 0)
    assert mutate(MANY, genome, rng, eta=5.0, rate=0.0) == genome
    drawn = [mutate(MANY, genome, rng, eta=100.0, rate=1.0)[9] for _ in range(300)]
    assert all(70 < drawn.count(number) < 130 for number in range(3))
