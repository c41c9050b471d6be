from secateur.actors.job import Answer, Job
from secateur.cluster.runs.drift import LATEST, Drift, DriftAlarm
from secateur.search.candidate import Estimate


def timed(number: int, beside_ms: float | None, quantity: str = "latency_ms") -> Answer:
    beside = {} if beside_ms is None else {"beside_ms": beside_ms}
    return Answer(number, quantity, Estimate.exact(2.0), "profiler-0", 1.0, beside=beside)


class Saying:
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


class Answering:
    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.submitted: list[Job] = []

    def submit(self, job: Job) -> None:
        self.submitted.append(job)

    def next_answer(self) -> Answer:
        return self.answers.pop(0)


def test_a_device_has_moved_when_the_dense_network_takes_longer_beside_most_of_the_latest():
    drift = Drift()
    for answer in [timed(0, None), *(timed(n, 2.0) for n in range(1, 4))]:
        drift.take(answer)
    for number in range(4, 4 + LATEST // 2):
        drift.take(timed(number, 3.0))
    assert drift.by() == {}
    drift.take(timed(9, 3.0))
    assert drift.by() == {"latency_ms": 0.5}


def test_targets_move_each_for_itself():
    drift = Drift()
    for name, beside in (("latency_ms@one", 2.0), ("latency_ms@two", 1.0)):
        drift.take(timed(0, None, name))
        for number in range(1, 1 + LATEST):
            drift.take(timed(number, beside, name))
    assert drift.by() == {"latency_ms@two": -0.5}


def test_errors_and_failures_say_nothing_of_the_device():
    drift = Drift()
    drift.take(Answer(0, "latency_ms", "out of memory", "profiler-0", 1.0))
    for number in range(10):
        drift.take(timed(number, 9.0, "error"))
    assert drift.by() == {}


def test_the_alarm_is_given_once_and_ended_once():
    slow = [timed(n, 3.0) for n in range(1, 9)]
    well = [timed(n, 2.0) for n in range(9, 16)]
    watcher = Saying()
    alarm = DriftAlarm(Answering(slow + well), watcher, [{"latency_ms": timed(0, None)}])
    given = [alarm.next_answer().number for _ in range(15)]
    assert given == list(range(1, 16))
    assert watcher.said == [
        "warning: latency_ms: the dense network takes 1.50 times what it took at first; ratios "
        "hold, milliseconds do not",
        "latency_ms: the device is as fast as at first again",
    ]


def test_jobs_are_handed_on():
    inner = Answering([])
    job = Job(3, (1,), "latency_ms")
    DriftAlarm(inner, Saying(), []).submit(job)
    assert inner.submitted == [job]
