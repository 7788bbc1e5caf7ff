"""Max unpooling over one, two or three dimensions; `formulas/max_unpool.py` has the mathematics."""

from collections.abc import Sequence

from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.max_unpool import MaxUnpoolFunction
from manualgrad.parts.windows import Numbers
from manualgrad.public import public


@public
def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The inverse of `max_pool1d`, but for what it dropped. As `torch.nn.functional.max_unpool1d`.

    input (N, C, L) or (C, L) and indices of its shape, as `max_pool1d` returned them; the result is (N, C, L') or
    (C, L'). `output_size` says which L' was pooled where several give L. Raises RuntimeError for positions outside of
    the result, ValueError for a size that does not fit.

    >>> import torch
    >>> x = torch.tensor([[3.0, 5.0]], requires_grad=True)
    >>> y = max_unpool1d(x, torch.tensor([[1, 2]]), 2)
    >>> y
    tensor([[0., 3., 5., 0.]], grad_fn=<MaxUnpoolFunctionBackward>)
    >>> (y * torch.tensor([[1.0, 2.0, 3.0, 4.0]])).sum().backward()
    >>> x.grad
    tensor([[2., 3.]])
    """
    return call(MaxUnpoolFunction, input, indices, kernel_size, stride, padding, output_size, 1)


@public
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The inverse of `max_pool2d`, but for what it dropped: as `max_unpool1d`. input (N, C, H, W) or (C, H, W).

    >>> import torch
    >>> max_unpool2d(torch.tensor([[[7.0]]]), torch.tensor([[[2]]]), 2)
    tensor([[[0., 0.],
             [7., 0.]]])
    """
    return call(MaxUnpoolFunction, input, indices, kernel_size, stride, padding, output_size, 2)


@public
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The inverse of `max_pool3d`, but for what it dropped: as `max_unpool1d`. input ([N,] C, D, H, W).

    >>> import torch
    >>> max_unpool3d(torch.tensor([[[[7.0]]]]), torch.tensor([[[[2]]]]), (1, 2, 2))
    tensor([[[[0., 0.],
              [7., 0.]]]])
    """
    return call(MaxUnpoolFunction, input, indices, kernel_size, stride, padding, output_size, 3)


class MaxUnpool1d(nn.MaxUnpool1d):
    """Drop-in `torch.nn.MaxUnpool1d` computed by `manualgrad.functional.max_unpool1d`."""

    def forward(self, input: Tensor, indices: Tensor, output_size: list[int] | None = None) -> Tensor:
        return max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(nn.MaxUnpool2d):
    """Drop-in `torch.nn.MaxUnpool2d` computed by `manualgrad.functional.max_unpool2d`."""

    def forward(self, input: Tensor, indices: Tensor, output_size: list[int] | None = None) -> Tensor:
        return max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(nn.MaxUnpool3d):
    """Drop-in `torch.nn.MaxUnpool3d` computed by `manualgrad.functional.max_unpool3d`."""

    def forward(self, input: Tensor, indices: Tensor, output_size: list[int] | None = None) -> Tensor:
        return max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)
