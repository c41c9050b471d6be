import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from secateur.search.indicators import hypervolume
from secateur.search.operator_portfolio import OPERATORS, OperatorPortfolio


@st.composite
def point_sets(draw: st.DrawFn) -> np.ndarray:
    shape = (draw(st.integers(1, 12)), draw(st.integers(2, 4)))
    return draw(arrays(np.float64, shape, elements=st.integers(0, 24).map(lambda n: n / 20)))


@given(points=point_sets(), survivors=st.integers(1, 14))
@settings(max_examples=40)
def test_as_many_survive_as_asked_and_nobody_twice(points, survivors):
    chosen = OperatorPortfolio()(points, survivors).tolist()
    assert len(chosen) == len(set(chosen)) == min(survivors, len(points))
    assert set(chosen) <= set(range(len(points)))


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_keeps_the_front_before_what_it_dominates(operator):
    front = np.array([[0.1, 0.9], [0.5, 0.5], [0.9, 0.1]])
    points = np.vstack([front + 0.05, front, front + 0.2])
    assert sorted(operator(points, 3).tolist()) == [3, 4, 5]


def test_the_same_points_are_selected_alike_every_time():
    points = np.random.default_rng(0).random((30, 3))
    assert OperatorPortfolio()(points, 10).tolist() == OperatorPortfolio()(points, 10).tolist()


def test_an_operator_whose_survivors_bring_more_gets_more_places():
    portfolio = OperatorPortfolio()
    portfolio.credit = np.array([4.0, 1.0, 1.0, 2.0])
    assert portfolio._quotas(8).tolist() == [4, 1, 1, 2]
    assert portfolio._quotas(3).sum() == 3


def test_credit_goes_to_the_operator_that_keeps_more_hypervolume_alone():
    portfolio = OperatorPortfolio(memory=0.0)
    points = np.random.default_rng(1).dirichlet(np.ones(3), 21)  # nobody dominates
    worth = [hypervolume(points[select(points, 10)]) for select in OPERATORS]
    portfolio(points, 20)
    assert np.argmax(portfolio.credit) == np.argmax(worth)
    assert np.argmin(portfolio.credit) == np.argmin(worth)
    assert (portfolio.credit.max(), portfolio.credit.min()) == (1.0, 0.1)


def test_points_beyond_the_reference_teach_nothing():
    portfolio = OperatorPortfolio()
    portfolio(np.full((6, 2), 2.0) + np.arange(6)[:, None], 4)
    assert portfolio.credit.tolist() == [1.0] * len(OPERATORS)
