import numpy as np
import pytest

from secateur.search.constraint import Constraint, quantities, violations


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("latency_ms <= 0.6x", Constraint("latency_ms", 0.6, relative=True)),
        ("error<=0.1", Constraint("error", 0.1, relative=False)),
        (" macs  <=  2.5e6 ", Constraint("macs", 2.5e6, relative=False)),
    ],
)
def test_a_constraint_is_read_from_text(text, constraint):
    assert Constraint.parse(text) == constraint


@pytest.mark.parametrize(
    "text", ["latency_ms < 0.6x", "0.6x", "error <= much", "error <= 0.1 0.2", "error >= 0.1", ""]
)
def test_what_is_no_constraint_is_quoted(text):
    with pytest.raises(ValueError, match="constraint"):
        Constraint.parse(text)


@pytest.mark.parametrize("bound", ["0", "-1", "nan", "inf"])
def test_a_bound_is_a_number_above_0(bound):
    with pytest.raises(ValueError, match=f"'error <= {bound}' is no constraint: .* above 0"):
        Constraint.parse(f"error <= {bound}")


def test_what_only_constraints_speak_of_comes_after_the_objectives():
    constraints = [Constraint("params", 0.5, relative=True), Constraint("error", 0.1, False)]
    assert quantities(["error", "macs"], constraints) == ("error", "macs", "params")


def test_a_violation_is_the_sum_of_the_shares_beyond_the_bounds():
    constraints = [
        Constraint("latency_ms", 0.5, relative=True),
        Constraint("error", 0.2, relative=False),
    ]
    values = np.array([[0.2, 2.0], [0.3, 2.0], [0.1, 3.0], [0.4, 4.0]])
    found = violations(constraints, ["error", "latency_ms"], values, [0.05, 4.0])
    np.testing.assert_allclose(found, [0.0, 0.5, 0.5, 2.0])


def test_nothing_is_violated_without_constraints():
    assert violations([], ["error"], np.array([[1.0], [2.0]]), [1.0]).tolist() == [0.0, 0.0]
