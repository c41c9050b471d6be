import pytest
import torch
from torch import nn

from secateur.methods.tensors.batch_norm import batch_norms, estimated_anew


def test_every_batchnorm_of_every_network_is_found():
    one = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2), nn.Sequential(nn.BatchNorm2d(3)))
    other = nn.BatchNorm3d(4)
    assert batch_norms(one, nn.Linear(2, 2), other) == [one[0], one[2][0], other]


def test_batches_within_are_averaged_plainly_and_those_before_are_forgotten():
    data = torch.randn(3, 20, 2, generator=torch.Generator().manual_seed(0))
    norm = nn.BatchNorm1d(2, momentum=0.3)
    norm(100 + data[0])
    with estimated_anew([norm]):
        for batch in data:
            norm(batch)
    torch.testing.assert_close(norm.running_mean, data.mean(dim=(0, 1)))
    torch.testing.assert_close(norm.running_var, data.var(dim=1).mean(dim=0))
    assert (norm.momentum, norm.training) == (0.3, False)


def test_nothing_else_changes_mode():
    network = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)).eval()
    with estimated_anew(batch_norms(network)):
        assert [one.training for one in network] == [False, True]
    assert [one.training for one in network] == [False, False]


def test_whatever_fails_within_modes_and_momenta_are_put_back():
    norm = nn.BatchNorm1d(2, momentum=0.3)
    with pytest.raises(ValueError, match="more than 1 value"), estimated_anew([norm]):
        norm(torch.randn(1, 2))
    assert (norm.momentum, norm.training) == (0.3, False)
