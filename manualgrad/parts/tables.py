"""Rows of a table, looked up by number: what embeddings and bags of them share."""

import torch
from torch import Tensor


def table_gradient(
    i: Tensor, rows: Tensor, shape: torch.Size, padding: int | None, by_frequency: bool, sparse: bool
) -> Tensor:
    """Each of `rows` (n, D) added to the row of a table of `shape` (V, D) that `i` (n) numbers.

    Nothing is added to the row `padding`. `by_frequency` divides each of `rows` by the number of times that its number
    occurs in `i`; with `sparse` the result holds only the rows that `i` numbers, each as often as it does.
    """
    if by_frequency:
        times = rows.new_zeros(shape[0]).index_add_(0, i, torch.ones_like(i, dtype=rows.dtype))
        rows = rows / times[i].unsqueeze(1)
    if sparse:
        if padding is not None:
            i, rows = i[i != padding], rows[i != padding]
        return torch.sparse_coo_tensor(i.unsqueeze(0), rows, shape, check_invariants=False)
    if padding is not None:
        rows = rows.masked_fill((i == padding).unsqueeze(1), 0.0)
    return rows.new_zeros(shape).index_add_(0, i, rows)


def check_numbers(i: Tensor, weight: Tensor, error: type[Exception]) -> None:
    """Raise RuntimeError if `i` does not hold integers, `error` if there is one that numbers no row of `weight`."""
    if i.dtype not in (torch.int64, torch.int32):
        raise RuntimeError(f"input must hold integers, int64 or int32, got {i.dtype}")
    if ((i < 0) | (i >= len(weight))).any():
        raise error(
            f"input must hold numbers from 0 to {len(weight) - 1}, the rows of weight {tuple(weight.shape)}, "
            f"got {int(i.min())} to {int(i.max())}"
        )
