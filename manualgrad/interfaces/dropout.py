"""Dropout of whole channels over one, two or three dimensions; `formulas/dropout.py` has the mathematics."""

import warnings

import torch
from torch import Tensor, nn

from manualgrad.formulas.dropout import drop
from manualgrad.public import public


@public
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels. input (N, C, L) or (C, L); raises RuntimeError for other numbers of dimensions.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> dropout1d(torch.ones(4, 2), 0.5)
    tensor([[0., 0.],
            [0., 0.],
            [2., 2.],
            [0., 0.]])
    """
    if input.dim() not in (2, 3):
        raise RuntimeError(f"dropout1d: input must have 2 or 3 dimensions, got {tuple(input.shape)}")
    return drop("dropout1d", input, p, training, inplace, input.dim() - 1)


@public
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels. input (N, C, H, W).

    As torch does, it takes two dimensions or more, the first two to be samples and channels, and warns where there are
    not four.

    >>> import torch
    >>> dropout2d(torch.ones(2, 3, 4, 4), 0.5).unique(dim=-1).shape  # all of a channel has one value
    torch.Size([2, 3, 4, 1])
    """
    if input.dim() != 4 and not torch.compiler.is_compiling():  # torch.compile cannot warn in the midst of a graph
        warnings.warn(f"dropout2d: input should be (N, C, H, W), got {tuple(input.shape)}", stacklevel=3)
    return drop("dropout2d", input, p, training, inplace, 2)


@public
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels. input (N, C, D, H, W) or (C, D, H, W); warns of other numbers of dimensions.

    >>> import torch
    >>> dropout3d(torch.ones(2, 1, 1, 1), 0.0).flatten()
    tensor([1., 1.])
    """
    if input.dim() not in (4, 5) and not torch.compiler.is_compiling():
        warnings.warn(f"dropout3d: input should be ([N,] C, D, H, W), got {tuple(input.shape)}", stacklevel=3)
    return drop("dropout3d", input, p, training, inplace, 2 if input.dim() == 5 else 1)


class Dropout1d(nn.Dropout1d):
    """Drop-in `torch.nn.Dropout1d` computed by `manualgrad.functional.dropout1d`."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(nn.Dropout2d):
    """Drop-in `torch.nn.Dropout2d` computed by `manualgrad.functional.dropout2d`."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(nn.Dropout3d):
    """Drop-in `torch.nn.Dropout3d` computed by `manualgrad.functional.dropout3d`."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout3d(input, self.p, self.training, self.inplace)
