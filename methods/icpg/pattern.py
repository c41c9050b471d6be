"""Pattern: where sparse matrices have entries, and their products, through which gradients go.

PyTorch can differentiate a product with a sparse matrix itself, but sorts its entries anew for
every gradient, and takes longer still where the entries are learned.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .graphs import ends, owners


@dataclass(frozen=True)
class Pattern:
    """Where matrices have entries: row i in the columns `columns[ends[i]:ends[i + 1]]`.

    `ends` is of shape (rows + 1,), `columns` of shape (entries,); a row may have a column twice.
    """

    ends: Tensor
    columns: Tensor
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are."""
        return len(self.ends) - 1, self.width

    @cached_property
    def rows(self) -> Tensor:
        """The row of each entry, shape (entries,)."""
        return owners(self.ends)

    @cached_property
    def transposed(self) -> tuple["Pattern", Tensor]:
        """The pattern of the transposed matrices, and where each of its entries stands in ours."""
        order = torch.argsort(self.columns, stable=True)
        counts = torch.bincount(self.columns, minlength=self.width)
        return Pattern(ends(counts), self.rows[order], self.shape[0]), order

    def matrix(self, values: Tensor) -> Tensor:
        """The sparse matrix of these entries."""
        return torch.sparse_csr_tensor(
            self.ends, self.columns, values, self.shape, check_invariants=False
        )

    def product(self, values: Tensor, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the matrix of `values` times x plus a bias: (rows, channels).

        `x` is of shape (width, channels), `bias` of shape (channels,); all three may be learned.
        """
        onto = x.new_zeros(1) if bias is None else bias
        found: Tensor = _Product.apply(onto, values, x, self)
        return found


class _Product(torch.autograd.Function):
    """A product that is added to something takes two thirds of the time of one alone."""

    @staticmethod
    def forward(ctx: Any, bias: Tensor, values: Tensor, x: Tensor, pattern: Pattern) -> Tensor:
        ctx.pattern = pattern
        ctx.save_for_backward(values, x)
        return torch.addmm(bias, pattern.matrix(values), x)

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        values, x = ctx.saved_tensors
        pattern: Pattern = ctx.pattern
        of_bias = of_values = of_x = None
        if ctx.needs_input_grad[0]:
            of_bias = gradient.sum(dim=0)
        if ctx.needs_input_grad[1]:  # of each entry: its row's gradient times its column's x
            none = pattern.matrix(torch.zeros_like(values))
            of_values = torch.sparse.sampled_addmm(none, gradient, x.t(), beta=0.0).values()
        if ctx.needs_input_grad[2]:
            other, order = pattern.transposed
            matrix = other.matrix(values[order])
            of_x = torch.addmm(gradient.new_zeros(1), matrix, gradient)
        return of_bias, of_values, of_x, None
