"""Readings: what is known of a quantity - measured, spared, predicted, or measured again."""

import math
from collections.abc import Iterable, Mapping, Sequence

from ...actors.job import Answer, Quantity, again, is_latency, is_measured
from ...methods.pruning.cost import Cost
from ...search.candidate import Candidate, Estimate, Evaluation, Failure, Outcome

ELSEWHERE = "an earlier run"
"""The worker of an answer that was not measured for this run."""

FEWER_IMAGES = "fewer images"
"""The worker of an error that is the quick one, as the candidate deserved no better."""

CONSTRAINTS = "constraints"
"""The worker of an answer that was spared: the candidate exceeds a bound, whatever it would be."""

PREDICTION = "prediction"
"""The worker of a latency that was predicted, as it was certain enough or decided nothing."""


def settled(known: Mapping[Quantity, Answer], quantity: Quantity) -> Estimate | str:
    """What all readings of a quantity of a network amount to, or why there is none."""
    first = known[quantity].result
    if not is_latency(quantity) or again(quantity) not in known:
        return first
    second = known[again(quantity)].result
    if isinstance(second, str):
        return first
    if isinstance(first, str) or known[quantity].worker == PREDICTION:
        return second
    return together(first, second)


def is_foretold(known: Mapping[Quantity, Answer], quantity: Quantity) -> bool:
    """Whether a quantity of a network is a prediction and nothing else."""
    foretold = quantity in known and known[quantity].worker == PREDICTION
    return foretold and (again(quantity) not in known or known[again(quantity)].failed)


def is_rough(known: Mapping[Quantity, Answer], quantity: Quantity) -> bool:
    """Whether what is known of a quantity is a prediction, or from fewer images."""
    return is_foretold(known, quantity) or known[quantity].worker == FEWER_IMAGES


def together(one: Estimate, other: Estimate) -> Estimate:
    """Join two independent readings of the same latency: each weighs as much as it is certain.

    Both are taken for log-normal; the weights are the inverse squares of their intervals' widths.
    """
    readings = [(math.log(of.value), math.log(of.high / of.low) / 2) for of in (one, other)]
    weights = [1 / max(reach, 1e-9) ** 2 for _, reach in readings]
    middle = sum(w * log for w, (log, _) in zip(weights, readings, strict=True)) / sum(weights)
    reach = math.sqrt(1 / sum(weights))
    return Estimate(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach))


def measured_of(quantities: Iterable[str]) -> list[Quantity]:
    """What of these workers measure, the error first."""
    return sorted(filter(is_measured, quantities), key=lambda name: name != "error")


def outcome_of(
    candidate: Candidate, cost: Cost, answers: dict[str, Answer], quantities: Sequence[str]
) -> Outcome:
    """Combine measured and counted quantities, in order; one failed answer fails the candidate."""
    predicted = frozenset(
        name for name in quantities if name in answers and answers[name].worker == PREDICTION
    )
    results = {
        name: answers[name].result if is_measured(name) else Estimate.exact(getattr(cost, name))
        for name in quantities
    }
    known = {name: result for name, result in results.items() if isinstance(result, Estimate)}
    for name, result in results.items():
        if isinstance(result, str):
            return Failure(candidate, f"{name}: {result}", known)
    return Evaluation(candidate, tuple(known.values()), predicted)
