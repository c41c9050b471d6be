import pytest
import torch
from torch import Tensor

from secateur.methods.icpg.pattern import Pattern

WIDE = Pattern(torch.tensor([0, 2, 2, 5]), torch.tensor([1, 4, 0, 4, 4]), 5)  # (2, 4) twice
EMPTY = Pattern(torch.tensor([0, 0, 0]), torch.empty(0, dtype=torch.int64), 4)


def drawn(*shape: int) -> Tensor:
    draws = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=draws, dtype=torch.float64).requires_grad_()


def dense(pattern: Pattern, values: Tensor) -> Tensor:
    """The matrix with its zeros; entries that stand in one place add up."""
    whole = values.new_zeros(pattern.shape)
    return whole.index_put((pattern.rows, pattern.columns), values, accumulate=True)


@pytest.mark.parametrize("pattern", [WIDE, EMPTY])
def test_products_are_those_of_dense_matrices_and_so_are_their_gradients(pattern):
    values, x, bias = drawn(len(pattern.columns)), drawn(pattern.width, 3), drawn(3)
    expected = dense(pattern, values) @ x
    torch.testing.assert_close(pattern.product(values, x), expected)
    torch.testing.assert_close(pattern.product(values, x, bias), expected + bias)
    assert torch.autograd.gradcheck(pattern.product, (values, x))
    assert torch.autograd.gradcheck(pattern.product, (values, x, bias))


@pytest.mark.parametrize("pattern", [WIDE, EMPTY])
def test_the_transposed_has_the_same_entries(pattern):
    values = drawn(len(pattern.columns)).detach()
    other, order = pattern.transposed
    assert other.shape == pattern.shape[::-1]
    torch.testing.assert_close(dense(other, values[order]), dense(pattern, values).t())
    assert pattern.transposed is pattern.transposed  # sorted once
