from secateur.cluster.profiling.targets import places
from secateur.cluster.settings.config import check_config


def test_a_place_on_a_cluster_is_a_node_of_its_own_or_none():
    values = {
        "objectives": ["error", "latency_ms", "latency_ms@board"],
        "targets": {"board": {"profiler": "board"}},
    }
    config = check_config(values, source="test")
    (quantity,), (place,) = zip(*places(config, "auto").items(), strict=True)
    assert quantity == "latency_ms@board"
    assert place.startswith("board: ")
    assert places(config, None).keys() == {"latency_ms", "latency_ms@board"}
