from collections.abc import Mapping
from typing import Any

import pytest

from secateur.actors.job import Answer, Job
from secateur.cluster.runs.reference import OneReference
from secateur.search.candidate import Estimate

READING = Estimate(2.0, 1.9, 2.1)


class Answering:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.submitted: list[Job] = []

    def submit(self, job: Job) -> None:
        self.submitted.append(job)

    def next_answer(self) -> Answer:
        return self.answer


def told(
    quantity: str, result: Estimate | str, beside: Mapping[str, Any], dense: Estimate | None
) -> Answer:
    answer = Answer(3, quantity, result, "profiler-1", 1.0, beside=beside)
    return OneReference(Answering(answer), {"latency_ms": dense}.get).next_answer()


@pytest.mark.parametrize("quantity", ["latency_ms", "again_latency_ms"])
def test_a_reading_beside_another_reference_is_told_beside_the_runs_own(quantity):
    answer = told(quantity, READING, {"reference_ms": 4.0}, Estimate.exact(5.0))
    assert answer.result == Estimate(2.5, 1.9 * 1.25, 2.1 * 1.25)
    assert answer.beside == {"reference_ms": 4.0}


@pytest.mark.parametrize(
    ("quantity", "result", "beside", "dense"),
    [
        ("latency_ms", READING, {"reference_ms": 4.0}, None),
        ("latency_ms", "out of memory", {}, Estimate.exact(5.0)),
        ("latency_ms", READING, {}, Estimate.exact(5.0)),
        ("error", READING, {}, None),
    ],
)
def test_whatever_is_beside_none_is_told_as_it_comes(quantity, result, beside, dense):
    assert told(quantity, result, beside, dense).result == result


def test_jobs_are_handed_on():
    inner, job = Answering(Answer(0, "error", "x", "w", 0.0)), Job(1, (8,), "latency_ms")
    OneReference(inner, lambda _: None).submit(job)
    assert inner.submitted == [job]
