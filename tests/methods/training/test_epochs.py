import math

import pytest
import torch
from torch import nn

from secateur.methods.data.batches import Batches
from secateur.methods.training.epochs import Exercise, Place, sgd, train_epochs
from striped import IMAGES, LABELS, NORMALISATION, batches, network


def cross_entropy(trained: nn.Module, inputs: torch.Tensor, labels: torch.Tensor):
    return {"cross_entropy": nn.functional.cross_entropy(trained(inputs), labels)}


def exercise(one: nn.Module, rate: float = 0.05, **options) -> Exercise:
    return Exercise(one, [sgd(list(one.parameters()), rate)], cross_entropy, **options)


def test_learning_rates_fall_along_half_a_cosine():
    one, rates = network(0), []
    made = exercise(one, 0.08)
    told = Exercise(
        one,
        made.optimisers,
        cross_entropy,
        lambda _: rates.append(made.optimisers[0].param_groups[0]["lr"]),
    )
    train_epochs(told, batches(), 2)
    expected = [0.08 * 0.5 * (1 + math.cos(math.pi * step / 12)) for step in range(12)]
    assert rates == pytest.approx(expected)


def test_progress_is_told_before_every_step():
    shares: list[float] = []
    train_epochs(exercise(network(0), advance=shares.append), batches(), 2)
    assert shares == pytest.approx([step / 12 for step in range(12)])


def test_several_optimisers_work_on_their_own_parameters_and_are_all_restored():
    def trained(snapshot=None, epochs=2):
        one, states = network(0), []
        body = [p for name, p in one.named_parameters() if not name.startswith("linear")]
        head = torch.optim.Adam(one.linear.parameters(), lr=0.01)
        made = Exercise(one, [sgd(body, 0.05), head], cross_entropy)

        def keep(state, _terms) -> None:
            parts = (state.weights, state.moments)
            states.append(
                type(state)(state.epoch, *({n: t.clone() for n, t in p.items()} for p in parts))
            )

        train_epochs(made, batches(), epochs, snapshot=snapshot, after_epoch=keep)
        return states

    first, second = trained()
    assert {"momentum_buffer.conv1.weight", "exp_avg.linear.weight", "step.linear.weight"} <= set(
        first.moments
    )
    (again,) = trained(first)
    assert all(torch.equal(again.weights[name], second.weights[name]) for name in second.weights)
    assert all(torch.equal(again.moments[name], second.moments[name]) for name in second.moments)


def test_a_term_that_is_not_finite_is_named_and_the_last_epoch_stands():
    told = []

    def losing(trained: nn.Module, inputs: torch.Tensor, labels: torch.Tensor):
        bad = math.nan if told else 0.0
        extra = trained(inputs).mean() * bad
        return {**cross_entropy(trained, inputs, labels), "extra": extra}

    one = network(0)
    made = Exercise(one, [sgd(list(one.parameters()), 0.01)], losing)
    with pytest.raises(FloatingPointError, match=r"in epoch 2 .*extra.* not finite"):
        train_epochs(made, batches(), 3, after_epoch=lambda state, _: told.append(state.epoch))
    assert told == [1]


def test_a_diverging_loss_asks_for_a_smaller_learning_rate():
    with pytest.raises(FloatingPointError, match="choose a smaller learning rate"):
        train_epochs(exercise(network(0), 1e30), batches(), 2)


def test_more_workers_than_a_batch_has_images_are_refused():
    with pytest.raises(ValueError, match="a batch of 2 images for 3 workers"):
        train_epochs(exercise(network(0)), batches(2), 1, place=Place(workers=3))


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="got 120"):
        Batches(IMAGES, NORMALISATION, 121, False, 0)
    assert len(LABELS) == 120
