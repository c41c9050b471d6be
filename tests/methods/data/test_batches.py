import numpy as np
import pytest
import torch

from secateur.methods.data.batches import require_batches, shifted
from striped import batches

Batch = tuple[torch.Tensor, torch.Tensor]


def seen(workers: int, **options) -> list[list[Batch]]:
    """What each worker sees in the first epoch."""
    made = batches(**options)
    return [list(made.epoch(0, rank=rank, workers=workers)) for rank in range(workers)]


@pytest.mark.parametrize("mixup", [0.0, 1.0])
def test_workers_share_each_batch_of_one_worker(mixup):
    (whole,), (even, odd) = seen(1, mixup=mixup), seen(2, mixup=mixup)
    assert len(whole) == len(even) == len(odd) == len(batches()) == 6
    for (inputs, labels), first, second in zip(whole, even, odd, strict=True):
        for index, (part, part_labels) in enumerate((first, second)):
            torch.testing.assert_close(inputs[index::2], part, rtol=0, atol=0)
            assert torch.equal(labels[index::2], part_labels)


def test_every_epoch_has_another_order_and_shows_every_image_once():
    first, second = (
        torch.cat([labels for _, labels in batches().epoch(epoch, rank=0, workers=1)])
        for epoch in (0, 1)
    )
    assert torch.equal(first.sort().values, second.sort().values)
    assert not torch.equal(first, second)


def test_images_are_shifted_by_up_to_an_eighth_and_keep_their_edge():
    pixels = np.arange(16 * 16, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=0)
    moved = shifted(pixels, np.array([[0.0, 0.0], [0.5, 0.5], [0.999, 0.999]]))
    np.testing.assert_array_equal(moved[1], pixels[1])
    np.testing.assert_array_equal(moved[0, 2:, 2:], pixels[0, :-2, :-2])
    np.testing.assert_array_equal(moved[0, 0, 2:], pixels[0, 0, :-2])
    np.testing.assert_array_equal(moved[2, :-2, :-2], pixels[2, 2:, 2:])


def test_mirroring_flips_about_half_of_the_images():
    (plain,), (mirrored,) = seen(1), seen(1, mirror=True)
    pairs = [
        (a, b)
        for one, other in zip(plain, mirrored, strict=True)
        for a, b in zip(one[0], other[0], strict=True)
    ]
    flipped = [not torch.equal(a, b) for a, b in pairs]
    assert all(
        torch.equal(a.flip(2), b) for (a, b), turned in zip(pairs, flipped, strict=True) if turned
    )
    assert 40 <= sum(flipped) <= 80


def test_mixed_images_lie_between_two_of_the_batch_as_their_labels_say():
    ((inputs, labels), *_), ((blended, shares), *_) = (seen(1, mixup=one)[0] for one in (0.0, 1.0))
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(20))
    own = shares[torch.arange(20), labels]
    told = [place for place in range(20) if own[place] < 0.999]  # else both are of one class
    for place in told:
        others = inputs[labels != labels[place]]
        blends = torch.lerp(others, inputs[place].expand_as(others), own[place])
        assert any(torch.allclose(one, blended[place], atol=1e-4) for one in blends)
    assert len(told) > 5


@pytest.mark.parametrize(("batch", "workers"), [(121, 1), (2, 3)])
def test_a_batch_that_does_not_suit_the_images_or_the_workers_is_refused(batch, workers):
    with pytest.raises(ValueError, match=r"choose another finetune\.batch"):
        require_batches(120, batch, workers)
