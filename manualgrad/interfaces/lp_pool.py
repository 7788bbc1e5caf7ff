"""Power-average pooling over one, two or three dimensions; `formulas/lp_pool.py` has the mathematics."""

from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.lp_pool import LpPoolFunction
from manualgrad.parts.windows import Numbers
from manualgrad.public import public


@public
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: Numbers | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window, `norm_type` being p. Same values and gradients as `torch.nn.functional.lp_pool1d`.

    input (N, C, L) or (C, L); the result is (N, C, L') or (C, L'). `stride` is `kernel_size` unless given. An odd or
    fractional `norm_type` takes no negative sums: the result is NaN there. Raises RuntimeError where sizes do not fit.

    >>> import torch
    >>> x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    >>> y = lp_pool1d(x, 2, 2)
    >>> y
    tensor([[5.]], grad_fn=<LpPoolFunctionBackward>)
    >>> y.sum().backward()
    >>> x.grad
    tensor([[0.6000, 0.8000]])
    """
    return call(LpPoolFunction, input, norm_type, kernel_size, stride, ceil_mode, 1)


@public
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window: as `lp_pool1d`, with numbers or pairs. input (N, C, H, W) or (C, H, W).

    >>> import torch
    >>> lp_pool2d(torch.ones(1, 4, 4), 2, 2)
    tensor([[[2., 2.],
             [2., 2.]]])
    """
    return call(LpPoolFunction, input, norm_type, kernel_size, stride, ceil_mode, 2)


@public
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window: as `lp_pool1d`, with numbers or triples. input (N, C, D, H, W) or (C, D, H, W).

    >>> import torch
    >>> lp_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1, 2)
    tensor([[[[28.]]]])
    """
    return call(LpPoolFunction, input, norm_type, kernel_size, stride, ceil_mode, 3)


class LPPool1d(nn.LPPool1d):
    """Drop-in `torch.nn.LPPool1d` computed by `manualgrad.functional.lp_pool1d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        return call(LpPoolFunction, input, *settings, 1)


class LPPool2d(nn.LPPool2d):
    """Drop-in `torch.nn.LPPool2d` computed by `manualgrad.functional.lp_pool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        return call(LpPoolFunction, input, *settings, 2)


class LPPool3d(nn.LPPool3d):
    """Drop-in `torch.nn.LPPool3d` computed by `manualgrad.functional.lp_pool3d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        return call(LpPoolFunction, input, *settings, 3)
