"""Rows of the convolutions."""

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Row, drop, normal, sample
from manualgrad.formulas.conv import ConvFunction
from manualgrad.formulas.conv_tbc import ConvTbcFunction
from manualgrad.formulas.conv_transpose import ConvTransposeFunction
from manualgrad.formulas.pad import PadFunction


def _torch_conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """torch's function, which does not tell its signature and takes only what is contiguous."""
    return torch.nn.functional.conv_tbc(input.contiguous(), weight.contiguous(), bias, pad)


def _conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """conv_tbc by conv1d: torch's own has no forward-mode derivative."""
    moved = torch.nn.functional.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return moved.permute(2, 0, 1)


ROWS = (
    Row(
        F.conv1d,
        torch.nn.functional.conv1d,
        ConvFunction,
        samples=(
            sample(normal(2, 2, 4), normal(3, 2, 3), normal(3)),
            sample(normal(1, 4, 6), normal(2, 2, 2), normal(2), stride=2, padding=1, dilation=2, groups=2),
            sample(normal(2, 5), normal(2, 2, 3), None, (3,), (2,), (1,)),
            sample(normal(2, 3, 7), normal(4, 3, 4), normal(4), padding="same"),
            sample(normal(2, 3, 7), normal(4, 3, 3), padding="same", dilation=2),
            sample(normal(2, 3, 7), normal(4, 3, 4), padding="valid", stride=2),
            sample(normal(0, 3, 7), normal(4, 3, 3), normal(4)),
            sample(normal(2, 3, 4), normal(6, 1, 1), normal(6), groups=3),
        ),
        modules=(
            drop(nn.Conv1d, 3, 4, 3, on=(normal(2, 3, 7),)),
            drop(nn.Conv1d, 4, 6, 3, stride=2, padding=2, dilation=2, groups=2, bias=False, on=(normal(2, 4, 9),)),
            drop(nn.Conv1d, 3, 4, 4, padding="same", padding_mode="circular", on=(normal(2, 3, 7),)),
            drop(nn.Conv1d, 3, 4, 4, padding="same", padding_mode="reflect", on=(normal(3, 7),)),
            drop(nn.Conv1d, 3, 4, 3, padding=9, padding_mode="replicate", stride=2, on=(normal(2, 3, 7),)),
        ),
        realistic=sample(normal(16, 64, 256), normal(64, 64, 3), normal(64), padding=1),
    ),
    Row(
        F.conv2d,
        torch.nn.functional.conv2d,
        ConvFunction,
        samples=(
            sample(normal(2, 2, 3, 2), normal(2, 2, 3, 2), normal(2), padding=1),
            sample(normal(1, 4, 5, 4), normal(2, 2, 2, 2), normal(2), (2, 3), (1, 2), (2, 1), 2),
            sample(normal(2, 3, 4), normal(1, 2, 2, 3), normal(1), stride=2),
            sample(normal(2, 4, 7, 8), normal(6, 2, 3, 2), normal(6), (2, 3), (1, 2), (2, 1), 2),
            sample(normal(2, 3, 5, 4), normal(2, 3, 2, 3), padding="same"),
            sample(normal(2, 3, 6, 7), normal(3, 1, 3, 2), padding="valid", groups=3, dilation=(1, 3)),
            sample(normal(0, 3, 5, 4), normal(4, 3, 3, 2), normal(4)),
            sample(normal(1, 1, 3, 3), normal(1, 1, 3, 3), normal(1)),
        ),
        modules=(
            drop(nn.Conv2d, 3, 4, 3, on=(normal(2, 3, 5, 4),)),
            drop(nn.Conv2d, 4, 6, (3, 2), (2, 1), (1, 2), (1, 2), 2, False, on=(normal(4, 7, 8),)),
            drop(nn.Conv2d, 3, 2, 3, padding=(2, 1), padding_mode="reflect", on=(normal(2, 3, 5, 4),)),
            drop(nn.Conv2d, 3, 2, 2, padding="same", padding_mode="replicate", on=(normal(2, 3, 5, 4),)),
            drop(nn.Conv2d, 3, 2, 3, padding=2, padding_mode="circular", stride=2, on=(normal(2, 3, 5, 4),)),
            drop(nn.Conv2d, 3, 2, 2, padding="valid", padding_mode="circular", on=(normal(2, 3, 5, 4),)),
        ),
        realistic=sample(normal(16, 32, 32, 32), normal(64, 32, 3, 3), normal(64), padding=1),
    ),
    Row(
        F.conv3d,
        torch.nn.functional.conv3d,
        ConvFunction,
        samples=(
            sample(normal(2, 1, 2, 3, 2), normal(2, 1, 2, 2, 1), normal(2)),
            sample(normal(1, 2, 3, 2, 3), normal(2, 1, 2, 2, 2), normal(2), (1, 2, 3), (1, 0, 1), (2, 1, 2), 2),
            sample(normal(1, 3, 2, 3), normal(2, 1, 2, 2, 2), stride=2),
            sample(normal(1, 4, 4, 5, 5), normal(2, 2, 2, 2, 3), normal(2), (1, 2, 3), (1, 0, 2), (2, 1, 2), 2),
            sample(normal(1, 2, 3, 2, 3), normal(4, 1, 2, 1, 3), normal(4), padding="same", groups=2),
        ),
        modules=(
            drop(nn.Conv3d, 2, 3, 2, on=(normal(2, 2, 3, 4, 3),)),
            drop(nn.Conv3d, 2, 4, (2, 3, 1), 2, (1, 2, 0), (1, 2, 1), groups=2, bias=False, on=(normal(2, 3, 5, 3),)),
            drop(nn.Conv3d, 2, 2, 2, padding="same", padding_mode="replicate", on=(normal(1, 2, 3, 4, 3),)),
        ),
        realistic=sample(normal(4, 16, 8, 16, 16), normal(16, 16, 3, 3, 3), normal(16), padding=1),
    ),
    Row(
        F.conv_transpose1d,
        torch.nn.functional.conv_transpose1d,
        ConvTransposeFunction,
        samples=(
            sample(normal(2, 2, 3), normal(2, 3, 2), normal(3)),
            sample(normal(1, 4, 3), normal(4, 1, 2), normal(2), 2, 1, 1, 2, 3),
            sample(normal(2, 4), normal(2, 1, 3), None, (3,), (2,), (1,)),
            sample(normal(2, 3, 4), normal(3, 2, 2), output_padding=2, dilation=3, stride=1),
            sample(normal(0, 3, 4), normal(3, 4, 3), normal(4)),
            sample(normal(2, 3, 4), normal(3, 2, 1), normal(6), groups=3),
        ),
        modules=(
            drop(nn.ConvTranspose1d, 3, 4, 3, on=(normal(2, 3, 4),)),
            drop(nn.ConvTranspose1d, 4, 6, 3, 3, 2, 1, 2, False, 2, on=(normal(4, 5),)),
        ),
        realistic=sample(normal(16, 64, 128), normal(64, 32, 4), normal(32), stride=2, padding=1),
    ),
    Row(
        F.conv_transpose2d,
        torch.nn.functional.conv_transpose2d,
        ConvTransposeFunction,
        samples=(
            sample(normal(2, 2, 2, 2), normal(2, 1, 3, 2), normal(1), stride=2, padding=1),
            sample(normal(1, 2, 2, 3), normal(2, 1, 3, 2), normal(2), (2, 3), (1, 2), (0, 2), 2, (3, 1)),
            sample(normal(2, 2, 2), normal(2, 2, 2, 2), normal(2)),
            sample(normal(0, 3, 3, 4), normal(3, 2, 3, 2), normal(2)),
            sample(normal(1, 1, 3, 3), normal(1, 1, 3, 3), normal(1), dilation=2, output_padding=1),
        ),
        modules=(
            drop(nn.ConvTranspose2d, 3, 4, 3, on=(normal(2, 3, 3, 4),)),
            drop(nn.ConvTranspose2d, 4, 2, (3, 2), (2, 3), 1, (1, 2), 2, False, (2, 1), on=(normal(4, 3, 4),)),
        ),
        realistic=sample(normal(16, 64, 16, 16), normal(64, 32, 4, 4), normal(32), stride=2, padding=1),
    ),
    Row(
        F.conv_transpose3d,
        torch.nn.functional.conv_transpose3d,
        ConvTransposeFunction,
        samples=(
            sample(normal(2, 1, 2, 2, 1), normal(1, 2, 2, 1, 2), normal(2)),
            sample(normal(1, 1, 2, 1), normal(1, 2, 2, 2, 2), stride=2),
            sample(normal(1, 2, 2, 1, 1), normal(2, 1, 2, 2, 2), normal(2), groups=2, dilation=2),
            sample(normal(1, 4, 2, 3, 2), normal(4, 1, 2, 2, 3), normal(2), (1, 2, 3), (1, 0, 2), (0, 1, 2), 2, 2),
        ),
        modules=(
            drop(nn.ConvTranspose3d, 2, 3, 2, on=(normal(2, 2, 2, 3, 2),)),
            drop(nn.ConvTranspose3d, 2, 4, (2, 3, 1), 2, (1, 2, 0), 1, 2, False, (1, 2, 1), on=(normal(2, 3, 3, 2),)),
        ),
        realistic=sample(normal(4, 16, 8, 8, 8), normal(16, 8, 4, 4, 4), normal(8), stride=2, padding=1),
    ),
    Row(
        F.pad,
        torch.nn.functional.pad,
        PadFunction,
        samples=(
            sample(normal(2, 3, 4), (1, 2)),
            sample(normal(2, 3, 4), (2, 1), "reflect"),
            sample(normal(2, 3, 4), (2, 6), "replicate"),
            sample(normal(2, 3, 4), (3, 4), "circular"),
            sample(normal(2, 3, 4, 2), (1, 0, 2, -1, 0, 1, 3, 0), value=2.5),
            sample(normal(3), (0, 2), "constant", -1.0),
            sample(normal(), ()),
            sample(normal(2, 0, 3), (1, 1)),
            sample(normal(2, 3, 5, 4), (3, 2, 1, 4), "reflect"),
            sample(normal(3, 5, 4), (-1, 2, 1, -3), "replicate"),
            sample(normal(2, 3, 5, 4), (2, -1, -2, 3), "circular"),
            sample(normal(2, 5, 4), (2, -1, -2, 3), "reflect"),
            sample(normal(1, 2, 3, 4, 3), (1, 2, 3, 1, 2, 1), "reflect"),
            sample(normal(2, 3, 4, 3), (1, 2, 3, 1, 0, 5), "replicate"),
            sample(normal(1, 2, 3, 4, 3), (1, 2, 3, 1, 2, 3), "circular"),
        ),
        modules=(
            drop(nn.ConstantPad1d, (2, 1), 1.5, on=(normal(2, 3, 5),)),
            drop(nn.ZeroPad1d, 1, on=(normal(3, 5),)),
            drop(nn.ReflectionPad1d, (2, 1), on=(normal(2, 3, 5),)),
            drop(nn.ReplicationPad1d, (2, 1), on=(normal(3, 5),)),
            drop(nn.CircularPad1d, (2, 1), on=(normal(2, 3, 5),)),
            drop(nn.ConstantPad2d, (2, 1, 0, 3), 1.5, on=(normal(2, 2, 4, 5),)),
            drop(nn.ZeroPad2d, 1, on=(normal(2, 4, 5),)),
            drop(nn.ReflectionPad2d, (2, 1, 0, 3), on=(normal(2, 2, 4, 5),)),
            drop(nn.ReplicationPad2d, (2, 1, 0, 6), on=(normal(2, 4, 5),)),
            drop(nn.CircularPad2d, (2, 1, 0, 3), on=(normal(2, 2, 4, 5),)),
            drop(nn.ConstantPad3d, (2, 1, 0, 3, 1, 1), 1.5, on=(normal(1, 2, 3, 4, 5),)),
            drop(nn.ZeroPad3d, 1, on=(normal(2, 3, 4, 5),)),
            drop(nn.ReflectionPad3d, (2, 1, 0, 3, 1, 1), on=(normal(1, 2, 3, 4, 5),)),
            drop(nn.ReplicationPad3d, (2, 1, 0, 6, 1, 1), on=(normal(2, 3, 4, 5),)),
            drop(nn.CircularPad3d, (2, 1, 0, 3, 1, 1), on=(normal(1, 2, 3, 4, 5),)),
        ),
        realistic=sample(normal(16, 64, 32, 32), (1, 1, 1, 1), "reflect"),
    ),
    Row(
        F.conv_tbc,
        _torch_conv_tbc,
        ConvTbcFunction,
        samples=(
            sample(normal(4, 2, 2), normal(3, 2, 2), normal(2)),
            sample(normal(3, 1, 2), normal(2, 2, 3), normal(3), 1),
            sample(normal(2, 2, 1), normal(1, 1, 2), normal(2), pad=2),
        ),
        reference=_conv_tbc,
        realistic=sample(normal(256, 16, 64), normal(3, 64, 64), normal(64), 1),
    ),
)
