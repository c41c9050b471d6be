import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.search.space import LayerGroup, Space


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    groups = []
    for index in range(draw(st.integers(1, 5))):
        width = draw(st.integers(1, 70))
        minimum, step = draw(st.integers(1, width)), draw(st.integers(1, 20))
        groups.append(LayerGroup(f"g{index}", width, minimum, step))
    return Space(tuple(groups), criteria=draw(st.integers(1, 3)))


def space_of(*groups: tuple[int, int, int]) -> Space:
    return Space(tuple(LayerGroup(f"g{i}", *group) for i, group in enumerate(groups)))


@pytest.mark.parametrize(
    ("width", "minimum", "step", "choices"),
    [
        (32, 8, 8, (8, 16, 24, 32)),
        (30, 8, 8, (8, 16, 24, 30)),
        (32, 9, 8, (16, 24, 32)),
        (6, 2, 8, (6,)),
        (1, 1, 1, (1,)),
        (5, 5, 2, (5,)),
    ],
)
def test_the_choices_are_multiples_of_the_step_and_the_dense_width(width, minimum, step, choices):
    assert LayerGroup("g", width, minimum, step).choices == choices


@pytest.mark.parametrize(("width", "minimum"), [(8, 0), (8, 9)])
def test_a_minimum_outside_the_width_is_refused_with_the_groups_name(width, minimum):
    with pytest.raises(ValueError, match=f"group conv1: .* got {minimum}"):
        LayerGroup("conv1", width, minimum, 4)


def test_a_step_below_1_is_refused():
    with pytest.raises(ValueError, match="group conv1: step must be at least 1, got 0"):
        LayerGroup("conv1", 8, 4, 0)


def test_a_space_without_groups_is_refused():
    with pytest.raises(ValueError, match="nothing to prune"):
        Space(())


@given(spaces())
def test_the_choices_ascend_from_the_minimum_to_the_dense_width(space):
    for group in space.groups:
        choices = group.choices
        assert list(choices) == sorted(set(choices))
        assert choices[0] >= group.minimum
        assert choices[-1] == group.width


def test_the_size_counts_every_genome():
    assert space_of((32, 8, 8), (30, 8, 8), (6, 2, 8)).size == 4 * 4 * 1


def test_each_network_has_one_genome():
    space = Space((LayerGroup("a", 16, 8, 8), LayerGroup("b", 8, 8, 8)), criteria=3)
    every = {space.at(np.array(p)) for p in itertools.product(range(2), (0,), range(3), range(3))}
    assert every == {(16, 8, 0, 0), *((8, 8, criterion, 0) for criterion in range(3))}
    assert len(every) == space.size
    assert space.dense == (16, 8, 0, 0)
    assert space.uniform(0.5) == (8, 8, 0, 0)


def test_a_space_without_a_criterion_is_refused():
    with pytest.raises(ValueError, match="at least one criterion, got 0"):
        Space((LayerGroup("a", 8, 8, 8),), criteria=0)


def test_the_dense_genome_keeps_every_channel():
    assert space_of((32, 8, 8), (30, 8, 8)).dense == (32, 30)


def test_repair_moves_to_the_nearest_choice_and_of_two_to_the_smaller():
    space = space_of((30, 8, 8), (30, 8, 8), (30, 8, 8), (30, 8, 8), (30, 8, 8))
    assert space.repair([11.9, 12.0, 12.1, -5.0, 27.5]) == (8, 8, 16, 8, 30)


@given(spaces(), st.data())
def test_repair_gives_the_nearest_choice(space, data):
    wanted = data.draw(
        st.lists(st.floats(-10, 100), min_size=len(space.groups), max_size=len(space.groups))
    )
    for width, repaired, group in zip(wanted, space.repair(wanted), space.groups, strict=True):
        assert repaired in group.choices
        assert abs(repaired - width) == min(abs(choice - width) for choice in group.choices)


def test_repair_wants_one_width_for_each_group():
    with pytest.raises(ValueError, match="zip"):
        space_of((32, 8, 8), (30, 8, 8)).repair([8.0])


def test_a_uniform_genome_keeps_the_same_share_of_every_group():
    space = space_of((32, 8, 8), (64, 8, 8), (30, 8, 8))
    assert space.uniform(0.5) == (16, 32, 16)
    assert space.uniform(1.0) == space.dense


@given(spaces(), st.integers(0, 2**32))
def test_a_random_genome_stands_on_the_grid(space, seed):
    genome = space.random(np.random.default_rng(seed))
    assert all(width in choices for width, choices in zip(genome, space.choices, strict=True))


def test_random_genomes_hold_every_choice_about_as_often():
    space, rng = space_of((30, 8, 8)), np.random.default_rng(0)
    drawn = [space.random(rng)[0] for _ in range(4000)]
    assert [round(drawn.count(choice) / 4000, 1) for choice in (8, 16, 24, 30)] == [
        pytest.approx(0.25, abs=0.06)
    ] * 4


@given(spaces(), st.integers(0, 2**32))
def test_at_is_the_inverse_of_positions(space, seed):
    genome = space.random(np.random.default_rng(seed))
    assert space.at(space.positions(genome)) == genome


def test_positions_beyond_an_end_are_moved_to_it():
    space = space_of((32, 8, 8), (30, 8, 8))
    assert space.at(np.array([-3, 9])) == (8, 30)


@given(spaces(), st.integers(0, 2**32))
def test_many_positions_turn_into_the_same_genomes_as_one_at_a_time(space, seed):
    positions = np.random.default_rng(seed).integers(-3, 12, size=(2, 3, space.genes))
    expected = [[space.at(row) for row in rows] for rows in positions]
    assert space.genomes(positions).tolist() == [[list(row) for row in rows] for rows in expected]
    assert space.genomes(space.highest).tolist() == list(space.dense)


def test_a_genome_off_the_grid_has_no_positions():
    with pytest.raises(ValueError, match="not in"):
        space_of((32, 8, 8)).positions((9,))
