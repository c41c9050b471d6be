from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from secateur.methods.clad.cutting import ranking_by
from secateur.methods.clad.learning import Learning, Lesson
from secateur.methods.pruning.plan import trace
from secateur.methods.pruning.surgery import Pruner, fit
from secateur.methods.tensors.snapshot import Snapshot
from striped import INPUTS, LABELS, batches, trained

LESSON = Lesson(
    epochs=12,
    target=0.6,
    least=0.1,
    learning_rate=0.01,
    learner_rate=0.02,
    learner="raw",
    hidden=8,
    through=False,
    decision="anneal",
    attention=100.0,
    polarisation=2.0,
    macs=50.0,
    seed=0,
    precision="fp32",
)


@pytest.fixture(scope="module")
def dense() -> nn.Module:
    return trained(widths=(8, 16))


def learning(dense: nn.Module, lesson: Lesson = LESSON) -> Learning:
    copy, teacher = fit(dense, {}), fit(dense, {})
    return Learning(copy, trace(copy.eval(), INPUTS[:1]), teacher, batches(), lesson)


@pytest.fixture(scope="module")
def learned(dense) -> Learning:
    one = learning(dense)
    one.train()
    return one


def test_gates_decide_and_what_is_left_costs_the_target(learned):
    standing = learned.standing(INPUTS, LABELS)
    assert standing.undecided <= 3
    assert standing.hard_macs == pytest.approx(0.6, abs=0.05)
    assert standing.soft_macs == pytest.approx(standing.hard_macs, abs=0.03)
    assert standing.hard_error < 0.1


def test_a_hard_cut_of_the_learned_network_answers_like_it(learned):
    gated = learned.gated
    widths = tuple(int((scores > 0).sum()) for scores in gated.scores)
    network = fit(gated.network, gated.folded())
    plan = trace(network.eval(), INPUTS[:1])
    cut = Pruner(network, plan, (ranking_by(gated.scores),)).cut(widths)
    with torch.inference_mode():
        wrong = (cut(INPUTS).argmax(dim=1) != LABELS).float().mean()
    assert float(wrong) < 0.1


@pytest.mark.parametrize(("sight", "rate"), [("statistics", 0.02), ("logits", 0.2)])
def test_every_kind_of_learner_reaches_the_target(dense, sight, rate):
    lesson = replace(LESSON, learner=sight, learner_rate=rate, decision="straight-through")
    one = learning(dense, replace(lesson, epochs=20))
    one.train()
    assert one.standing(INPUTS, LABELS).hard_macs == pytest.approx(0.6, abs=0.07)


def test_gates_that_act_as_0_and_1_decide_without_getting_colder(dense):
    one = learning(dense, replace(LESSON, decision="straight-through"))
    one.train()
    assert one.gated.temperature == 1.0
    assert one.standing(INPUTS, LABELS).hard_macs == pytest.approx(0.6, abs=0.07)


def test_each_term_is_told_with_its_weight(dense):
    told = []
    one = learning(dense, replace(LESSON, epochs=1))
    one.train(after_epoch=lambda _, terms: told.append(terms))
    assert told[0].keys() == {"cross_entropy", "attention", "polarisation", "macs"}
    without = learning(dense, replace(LESSON, epochs=1, attention=0.0, polarisation=0.0))
    without.train(after_epoch=lambda _, terms: told.append(terms))
    assert told[1].keys() == {"cross_entropy", "macs"}


def test_learning_goes_on_from_a_snapshot_as_if_it_had_never_stopped(dense, tmp_path):
    lesson, states = replace(LESSON, epochs=2), []

    def keep(state: Snapshot, _terms: object) -> None:
        (tmp_path / str(state.epoch)).mkdir(exist_ok=True)
        state.save(tmp_path / str(state.epoch))
        states.append(state.epoch)

    unbroken, resumed = learning(dense, lesson), learning(dense, lesson)
    unbroken.train(after_epoch=keep)
    resumed.train(snapshot=Snapshot.load(tmp_path / "1"))
    assert states == [1, 2]
    for ours, theirs in zip(resumed.gated.scores, unbroken.gated.scores, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_teacher_gets_no_gradient_and_stays_as_it_is(dense):
    one = learning(dense, replace(LESSON, epochs=1))
    before = {name: tensor.clone() for name, tensor in dense.state_dict().items()}
    one.train()
    assert all(parameter.grad is None for parameter in one._teacher.parameters())
    after = one._teacher.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_loss_that_is_not_finite_names_its_terms(dense):
    one = learning(dense, replace(LESSON, learning_rate=1e20))
    with pytest.raises(FloatingPointError, match=r"cross_entropy, attention.* are not finite"):
        one.train()
