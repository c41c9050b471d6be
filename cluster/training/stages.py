"""Stages: the two that a CLAD training has, and what it has told of the epochs of each."""

from ..runs.record import Record
from .finetune import JOBS
from .train_job import Metrics, history

LEARNING, FINETUNING = "learning", "finetuning"

WATCHED_IMAGES = 1000
"""Images of the search split on which errors are watched while criteria are learned."""


def epochs_of(run: Record, stage: str) -> list[Metrics]:
    """Return what was told of a stage's epochs so far, complete or not."""
    done: list[Metrics] = run.journal.fact(stage) or history(run.path / JOBS / stage)
    return done
