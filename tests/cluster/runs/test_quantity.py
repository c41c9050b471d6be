import pytest

from secateur.cluster.runs.quantity import Quantity, duration
from secateur.search.candidate import Estimate


@pytest.mark.parametrize(
    ("name", "typical", "title", "text"),
    [
        ("error", 0.0712, "Error (%)", "7.12"),
        ("latency_ms", 11.4, "Latency (ms)", "11.40"),
        ("latency_ms@board", 11.4, "Latency on board (ms)", "11.40"),
        ("latency_p95_ms", 0.0312, "Latency p95 (ms)", "0.03120"),
        ("memory_mib", 44.7, "Memory (MiB)", "44.70"),
        ("memory_mib", 0.5, "Memory (KiB)", "512.0"),
        ("memory_bytes", 2048, "Memory (KiB)", "2.000"),
        ("energy_j", 3.0, "Energy (J)", "3.000"),
        ("macs", 5.56e8, "MACs (M)", "556.0"),
        ("params", 270_000, "Params (k)", "270.0"),
        ("params", 11_170_000, "Params (M)", "11.17"),
        ("edges", 12_500, "Edges", "12,500"),
    ],
)
def test_a_quantity_reads_its_unit_off_its_name(name, typical, title, text):
    quantity = Quantity.of(name, typical)
    assert quantity.title == title
    assert quantity.text(typical) == text


def test_a_relative_quantity_is_a_multiple_of_the_dense_networks():
    assert Quantity.of("latency_ms", 10.0).versus(4.2, 10.0) == "0.42\N{MULTIPLICATION SIGN}"


def test_error_differs_from_the_dense_networks_in_points():
    error = Quantity.of("error", 0.07, relative=False)
    assert error.versus(0.0731, 0.07) == "+0.31 pt"
    assert error.versus(0.0669, 0.07) == "\N{MINUS SIGN}0.31 pt"


def test_an_exact_number_has_no_interval():
    latency = Quantity.of("latency_ms", 10.0)
    assert latency.interval(Estimate.exact(4.0)) == ""
    assert latency.interval(Estimate(4.0, 3.5, 4.25)) == "3.50 \N{EN DASH} 4.25"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (42, "42 s"),
        (725, "12 min 5 s"),
        (3600, "1 h"),
        (11_220, "3 h 7 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds, text):
    assert duration(seconds) == text
