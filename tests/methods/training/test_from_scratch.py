import torch
from torch import Tensor, nn

from secateur.methods.networks import ResNet, initialised
from secateur.methods.training.from_scratch import train


def data() -> tuple[Tensor, Tensor]:
    """Grey pictures with upright stripes, with level stripes, and without any."""
    labels = torch.arange(150) % 3
    images = 0.3 * torch.randn(150, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    images[labels == 0, :, :, ::2] += 1
    images[labels == 1, :, ::2, :] += 1
    return images, labels


def trained(seed: int, **options) -> nn.Module:
    network = initialised(ResNet(blocks=1, widths=(4, 8), in_channels=1, classes=3), 0)
    return train(network, *data(), **{"epochs": 6, **options}, seed=seed)


def test_a_network_learns():
    network, (images, labels) = trained(0), data()
    with torch.inference_mode():
        accuracy = (network(images).argmax(dim=1) == labels).float().mean()
    assert accuracy > 0.9
    assert not network.training


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    one, same, other = (trained(seed, epochs=1).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])


def test_progress_is_told_after_every_epoch():
    epochs = []
    trained(0, epochs=3, progress=epochs.append)
    assert epochs == [1, 2, 3]


def test_torchs_own_generator_neither_moves_nor_matters():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = trained(0, epochs=1).state_dict()
    torch.manual_seed(2)
    other = trained(0, epochs=1).state_dict()
    assert torch.equal(one["conv1.weight"], other["conv1.weight"])
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_given_images_stay_as_they_are():
    images, labels = data()
    before = images.clone()
    network = ResNet(blocks=1, widths=(4,), in_channels=1, classes=3)
    train(network, images, labels, epochs=1, seed=0)
    assert torch.equal(images, before)


class Witness(nn.Module):
    """Remembers the middle of every image that it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(64, 3)
        self.seen: list[float] = []

    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[1:] == (1, 8, 8)
        self.seen += images[:, 0, 4, 4].tolist()
        return self.head(images.flatten(1) / 64)


def test_images_are_moved_by_up_to_an_eighth_of_their_size_in_every_direction():
    image = torch.arange(64.0).reshape(1, 1, 8, 8)  # every pixel tells its own place
    witness = Witness()
    train(witness, image, torch.zeros(1, dtype=torch.int64), epochs=100, seed=0)
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    assert {value - 36 for value in witness.seen} == {8 * down + right for down, right in moves}


def test_every_image_is_seen_once_an_epoch():
    images = torch.arange(150.0)[:, None, None, None].expand(150, 1, 8, 8)
    witness = Witness()
    train(witness, images / 150, torch.arange(150) % 3, epochs=2, seed=0)
    seen = [round(150 * value) for value in witness.seen]
    assert sorted(seen[:150]) == sorted(seen[150:]) == list(range(150))
    assert seen[:150] != seen[150:]
