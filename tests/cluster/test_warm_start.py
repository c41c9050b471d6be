"""What a search takes over from an earlier one, from journals that are written by hand."""

import json
import shutil
from collections.abc import Callable, Iterator

import pytest

from secateur.actors.job import Answer
from secateur.cluster.exports.trained import RESULT
from secateur.cluster.profiling.targets import PLACES
from secateur.cluster.runs.readings import FEWER_IMAGES
from secateur.cluster.runs.record import METHOD, Record
from secateur.cluster.runs.workpiece import DENSE_WEIGHTS, RANKINGS
from secateur.cluster.settings.checked import ConfigError
from secateur.cluster.settings.config import check_config
from secateur.cluster.storage.journal import Finetuned, Journal
from secateur.cluster.warm_start import Earlier, earlier
from secateur.methods.pruning.cost import Cost
from secateur.search.candidate import Candidate, Estimate
from secateur.search.space import LayerGroup, Space

SPACE = Space((LayerGroup("a", 8, 1, 1), LayerGroup("b", 8, 1, 1)))
NETWORKS = {(8, 8): (0.1, 1.0), (4, 8): (0.2, 0.6), (8, 4): (0.3, 0.8), (4, 4): (0.4, 0.4)}
EXACT = Estimate.exact


@pytest.fixture
def begun(tmp_path) -> Iterator[Callable[..., Record]]:
    """Makes runs that have measured nothing yet."""
    made: list[Journal] = []

    def begin(name: str, place: str = "board", **options) -> Record:
        folder = tmp_path / name
        folder.mkdir()
        for file in (DENSE_WEIGHTS, RANKINGS):
            (folder / file).write_bytes(b"the same")
        config = check_config({"objectives": ["error", "latency_ms"], **options}, source="test")
        facts = {"config": config.model_dump(mode="json"), "groups": ["a", "b"]}
        made.append(Journal.create(folder, {**facts, PLACES: {"latency_ms": place}}))
        return Record(folder, made[-1])

    yield begin
    for journal in made:
        journal.close()


@pytest.fixture
def source(begun) -> Record:
    """A run that has measured some networks, one of them on fewer images, and fine-tuned one."""
    record = begun("source")
    for number, (genome, (error, latency)) in enumerate(NETWORKS.items()):
        origin = "initial" if number else "dense"
        record.journal.asked(Candidate(number, genome, origin), Cost(1, 1, 1))
        worker = FEWER_IMAGES if number == 2 else "evaluator-0"
        record.journal.answered(Answer(number, "error", EXACT(error), worker, 1.0))
        record.journal.answered(Answer(number, "latency_ms", EXACT(latency), "profiler-0", 1.0))
    record.journal.trained_further(Finetuned(4, 3, {}, EXACT(0.01), EXACT(0.01)))
    return record


def warm(source: Record, **search) -> dict[str, object]:
    return {"search": {"warm_start": str(source.path)}, **search}


def test_it_is_read_once_and_kept_with_the_run(begun, source):
    run = begun("run", **warm(source))
    found = earlier(run, SPACE)
    assert found.known["error"][4, 4] == EXACT(0.4)
    assert found.known["latency_ms"] == {g: EXACT(ms) for g, (_, ms) in NETWORKS.items()}
    shutil.rmtree(source.path)
    assert earlier(Record(run.path, run.journal), SPACE) == found
    assert json.dumps(run.journal.fact("artifacts")).count("warm_start.json") == 1


def test_its_front_is_the_searchs_own_whatever_was_fine_tuned(begun, source):
    assert earlier(begun("run", **warm(source)), SPACE).front == ((4, 4), (4, 8))


def test_an_error_on_fewer_images_is_measured_anew(begun, source):
    known = earlier(begun("run", **warm(source)), SPACE).known
    assert known["error"].keys() == NETWORKS.keys() - {(8, 4)}


@pytest.mark.parametrize(
    ("place", "options"), [("elsewhere", {}), ("board", {"latency": {"statistic": "p90"}})]
)
def test_latencies_of_another_place_or_statistic_are_measured_anew(begun, source, place, options):
    known = earlier(begun("run", place, **warm(source, **options)), SPACE).known
    assert known.keys() == {"error"}


def test_of_a_training_its_widths_are_taken_over(begun):
    training = begun("training")
    training.journal.note(METHOD, "clad")
    training.journal.note(RESULT, {"widths": [4, 6]})
    assert earlier(begun("run", **warm(training)), SPACE) == Earlier(front=((4, 6),))


def test_a_source_that_cannot_be_read_is_named(begun, source):
    (source.path / DENSE_WEIGHTS).unlink()
    with pytest.raises(ConfigError, match=r"search\.warm_start: cannot read .*dense"):
        earlier(begun("run", **warm(source)), SPACE)
