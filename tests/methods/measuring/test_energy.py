import pytest

from secateur.methods.measuring.energy import Nvml, energy_counter, joules_per_call
from secateur.methods.measuring.target import Target


@pytest.fixture
def powercap(tmp_path):
    """Two packages, a part of one that is counted with it, and the platform that counts both."""
    for name, what, start in (
        ("intel-rapl:0", "package-0", 900),
        ("intel-rapl:1", "package-1", 100),
        ("intel-rapl:0:0", "core", 7),
        ("intel-rapl:2", "psys", 9),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(f"{what}\n")
        (tmp_path / name / "energy_uj").write_text(f"{start}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("1000\n")
    return tmp_path


def test_all_packages_are_counted_and_may_wrap_around(powercap):
    counter = energy_counter(Target(), powercap)
    assert counter.name == "RAPL, all packages"
    (powercap / "intel-rapl:0" / "energy_uj").write_text("50")  # 150 more, past the end
    (powercap / "intel-rapl:1" / "energy_uj").write_text("300")
    (powercap / "intel-rapl:2" / "energy_uj").write_text("900")
    assert counter.joules() == pytest.approx(350e-6)
    assert counter.joules() == pytest.approx(350e-6)


def test_nothing_is_told_where_nothing_is_counted(tmp_path):
    assert energy_counter(Target(), tmp_path) is None


def test_nothing_is_told_where_the_counter_cannot_be_read(powercap):
    (powercap / "intel-rapl:1" / "energy_uj").unlink()
    assert energy_counter(Target(), powercap) is None


def test_a_gpu_that_is_not_there_counts_nothing(powercap):
    assert energy_counter(Target(provider="cuda"), powercap) is None


def test_a_calls_energy_is_what_many_have_used():
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1

    counter = Nvml(lambda: 20 * calls)  # millijoules
    found = joules_per_call(call, counter, seconds=1.0, clock=lambda: calls / 100)
    assert found == pytest.approx(0.020)
    assert calls > 99
