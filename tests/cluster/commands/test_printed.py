from secateur.cluster.commands.printed import print_status
from secateur.methods.measuring.fingerprint import described, fingerprint
from secateur.methods.measuring.target import Target


def test_a_status_shows_values_with_their_units_and_intervals(capsys):
    device = fingerprint(Target())
    print_status(
        {
            "state": "complete",
            "dense_final_error": {"value": 0.0612, "low": 0.05, "high": 0.07},
            "latency_ms": {"value": 1.5, "low": 1.25, "high": 1.75},
            "error": {"value": 0.1, "low": 0.1, "high": 0.1},
            "widths": [4, 8],
            "missing": [],
            "drift": {"latency_ms@board": 0.13},
            "device": device,
        }
    )
    assert capsys.readouterr().out.splitlines() == [
        "state             complete",
        "dense_final_error 6.12 % [5.00 \N{EN DASH} 7.00]",
        "latency_ms        1.500 ms [1.250 \N{EN DASH} 1.750]",
        "error             10.00 %",
        "widths            4, 8",
        "missing           none",
        "drift             latency_ms@board 0.1300",
        f"device            {described(device)}",
    ]
