import pytest

from secateur.search.constraint import Constraint


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
