"""How many workers fit on the nodes of a cluster."""

from secateur.actors.fleet import Crew
from secateur.actors.ray_fleet import sizes_of


def crew(size: int | None, **needs) -> Crew:
    return Crew(size, load=lambda payload: payload, payload=None, **needs)


BOARD = {"CPU": 4.0, "profiler:board": 1.0}


def test_a_size_that_is_given_is_kept_even_where_there_is_no_room():
    assert sizes_of({"evaluator": crew(7)}, []) == {"evaluator": 7}


def test_every_node_is_filled_as_far_as_it_goes():
    nodes = [{"CPU": 8.0}, {"CPU": 3.0}, {"CPU": 1.0}]
    assert sizes_of({"evaluator": crew(None, cpus=2.0)}, nodes) == {"evaluator": 5}


def test_a_gpu_counts_where_one_is_asked_for():
    nodes = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0}]
    assert sizes_of({"evaluator": crew(None, gpus=0.5)}, nodes) == {"evaluator": 4}


def test_the_profilers_node_is_left_to_it():
    crews = {
        "evaluator": crew(None),
        "profiler": crew(1, cpus=2.0, resources={"profiler:board": 1.0}),
    }
    assert sizes_of(crews, [{"CPU": 2.0}, BOARD]) == {"evaluator": 2, "profiler": 1}


def test_a_profiler_without_a_node_of_its_own_has_its_share_of_any():
    crews = {"evaluator": crew(None), "profiler": crew(1, cpus=2.0)}
    assert sizes_of(crews, [{"CPU": 2.0}, BOARD]) == {"evaluator": 4, "profiler": 1}


def test_evaluators_have_the_nodes_to_themselves_while_the_profilers_is_away():
    crews = {
        "evaluator": crew(None),
        "profiler": crew(1, cpus=2.0, resources={"profiler:board": 1.0}),
    }
    assert sizes_of(crews, [{"CPU": 2.0}]) == {"evaluator": 2, "profiler": 1}
