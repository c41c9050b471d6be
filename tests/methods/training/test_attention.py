import pytest
import torch
from torch import nn

from secateur.methods.models.named import load_model
from secateur.methods.training.attention import Stages, attention, attention_loss
from striped import INPUTS, network


def test_attention_is_a_unit_vector_of_mean_squares():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])  # one image, two channels, 1x2 pixels
    expected = torch.tensor([[5.0, 2.0]]) / 29**0.5
    torch.testing.assert_close(attention(features), expected)


def test_attention_of_features_in_bf16_is_computed_in_fp32():
    features = torch.rand(4, 64, 8, 8).bfloat16()
    torch.testing.assert_close(attention(features), attention(features.float()))


def test_networks_that_are_the_same_look_alike():
    one = network(0)
    stages = Stages(one, INPUTS[:1])
    with torch.no_grad():
        one(INPUTS)
    assert float(attention_loss(stages.features, dict(stages.features))) == 0.0


def test_channels_need_not_be_equally_many():
    small, large = network(0, (4, 8)), network(1, (8, 16))
    ours, theirs = (Stages(one, INPUTS[:1]) for one in (small, large))
    ours.require_like(theirs)
    for one in (small, large):
        one(INPUTS)
    loss = attention_loss(ours.features, theirs.features)
    assert float(loss.detach()) > 0
    loss.backward()
    assert all(parameter.grad is None for parameter in large.parameters())
    assert small.conv1.weight.grad.abs().sum() > 0


def test_a_stage_ends_with_the_last_module_of_its_resolution():
    assert Stages(network(0), INPUTS[:1]).names == {(8, 8): "layer1", (4, 4): "layer2"}
    resnet = load_model("torchvision:resnet18", shape=(3, 64, 64)).network
    names = Stages(resnet, torch.zeros(1, 3, 64, 64)).names
    assert names == {
        (32, 32): "relu",
        (16, 16): "layer1",
        (8, 8): "layer2",
        (4, 4): "layer3",
        (2, 2): "layer4",
    }


def test_a_teacher_of_other_resolutions_is_refused():
    ours, theirs = Stages(network(0), INPUTS[:1]), Stages(nn.Sequential(nn.Conv2d(1, 2, 3)), INPUTS)
    with pytest.raises(ValueError, match=r"are of 6x6, the network's of 8x8, 4x4: .* missing"):
        ours.require_like(theirs)


def test_looking_changes_neither_answers_nor_mode():
    one = network(0).train()
    before = {name: tensor.clone() for name, tensor in one.state_dict().items()}
    Stages(one, INPUTS[:1])
    assert one.training
    assert all(torch.equal(before[name], tensor) for name, tensor in one.state_dict().items())
