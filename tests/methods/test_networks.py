import pytest
import torch
from torch import nn

from secateur.methods.networks import BasicBlock, cifar_resnet, digits_resnet, initialised


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("depth", "expected"), [(20, 269_722), (32, 464_154), (56, 853_018), (110, 1_727_962)]
)
def test_a_cifar_resnet_has_the_published_number_of_parameters(depth, expected):
    assert parameters(cifar_resnet(depth)) == expected


@pytest.mark.parametrize("depth", [2, 7, 18, 52, 0, -4])
def test_a_depth_that_is_not_6n_plus_2_is_refused(depth):
    with pytest.raises(ValueError, match=f"6n \\+ 2 layers .* got {depth}"):
        cifar_resnet(depth)


def test_a_cifar_resnet_maps_colour_images_to_as_many_classes_as_asked():
    logits = cifar_resnet(8, classes=100).eval()(torch.zeros(2, 3, 32, 32))
    assert logits.shape == (2, 100)


def test_the_digits_network_maps_small_grey_images_to_ten_classes():
    assert digits_resnet().eval()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_the_shortcut_takes_every_second_pixel_and_pads_half_before_and_half_after():
    block = BasicBlock(2, 6, stride=2).eval()
    with torch.no_grad():
        block.bn2.weight.zero_()  # only the shortcut is left
    images = torch.rand(1, 2, 4, 4)
    output = block(images)
    assert output.shape == (1, 6, 2, 2)
    torch.testing.assert_close(output[:, 2:4], images[:, :, ::2, ::2])
    assert output[:, :2].abs().max() == output[:, 4:].abs().max() == 0


def test_the_shortcut_of_a_block_that_changes_nothing_is_its_input():
    block = BasicBlock(4, 4, stride=1).eval()
    with torch.no_grad():
        block.bn2.weight.zero_()
    images = torch.rand(1, 4, 4, 4)
    torch.testing.assert_close(block(images), images)


def test_the_same_seed_draws_the_same_weights_and_another_one_others():
    networks = [initialised(cifar_resnet(8), seed).state_dict() for seed in (1, 1, 2)]
    for name, tensor in networks[0].items():
        assert torch.equal(tensor, networks[1][name])
    assert not torch.equal(networks[0]["conv1.weight"], networks[2]["conv1.weight"])
    assert not torch.equal(networks[0]["linear.weight"], networks[2]["linear.weight"])


def test_drawing_weights_leaves_torchs_own_generator_alone():
    network = cifar_resnet(8)
    state = torch.get_rng_state()
    initialised(network, 1)
    assert torch.equal(torch.get_rng_state(), state)
