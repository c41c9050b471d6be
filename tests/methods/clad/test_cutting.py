import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.methods.clad.cutting import ranking_by, widths_for
from secateur.search.space import LayerGroup, Space


def space(*widths: int, minimum: int = 1, step: int = 1) -> Space:
    return Space(tuple(LayerGroup(f"g{n}", w, minimum, step) for n, w in enumerate(widths)))


def total(widths: tuple[int, ...]) -> float:
    return float(sum(widths))


def test_the_best_channels_of_all_groups_stay():
    scores = [np.array([0.9, 0.1, 0.8]), np.array([0.7, 0.2, 0.3])]
    assert widths_for(scores, space(3, 3), total, 3, least=0) == (2, 1)
    assert widths_for(scores, space(3, 3), total, 6, least=0) == (3, 3)


def test_every_group_keeps_its_least_share():
    scores = [np.linspace(1, 2, 20), np.linspace(-2, -1, 20)]
    assert widths_for(scores, space(20, 20), total, 22, least=0.1) == (20, 2)
    assert widths_for(scores, space(20, 20), total, 24, least=0.16) == (20, 4)
    assert widths_for(scores, space(20, 20, step=4), total, 28, least=0.25) == (20, 8)


def test_widths_stand_on_the_grid():
    scores = [np.arange(16.0), np.arange(16.0)]
    assert widths_for(scores, space(16, 16, minimum=4, step=8), total, 20, least=0) == (8, 8)


def test_what_no_widths_reach_is_refused_with_the_least_there_is():
    with pytest.raises(ValueError, match=r"no widths cost at most 3: the smallest .* cost 4"):
        widths_for([np.zeros(9), np.zeros(9)], space(9, 9, minimum=2), total, 3, least=0)


@given(
    st.lists(st.lists(st.floats(-5, 5), min_size=2, max_size=12), min_size=1, max_size=4),
    st.floats(0, 1),
)
def test_the_limit_is_kept_and_a_channel_more_would_exceed_it(values, share):
    scores = [np.array(one) for one in values]
    widths = [len(one) for one in scores]
    limit = max(share * sum(widths), len(widths))
    found = widths_for(scores, space(*widths), total, limit, least=0)
    assert total(found) <= limit
    kept = [set(order[:width]) for order, width in zip(ranking_by(scores), found, strict=True)]
    cut = [
        s
        for one, stay in zip(scores, kept, strict=True)
        for i, s in enumerate(one)
        if i not in stay
    ]
    if cut:  # all that score as the best of those that go would have had to come along
        threshold = max(cut)
        more = [max(int((one >= threshold).sum()), 1) for one in scores]
        assert total(tuple(more)) > limit


def test_a_ranking_goes_from_the_largest_score_down_ties_by_index():
    (order,) = ranking_by([np.array([0.5, 2.0, 0.5, -1.0])])
    assert order.tolist() == [1, 0, 2, 3]
