"""Pixels in a picture."""

from __future__ import annotations

import math
from typing import Any

from matplotlib import colormaps
from torch import Tensor

INK = colormaps["Greys"].with_extremes(bad="#E69F00")


def show(axes: Any, pixels: Tensor, title: str = "", signed: bool = False) -> None:
    """Draw a square image, pixels of any shape, on matplotlib's axes: dark ink on white, and NaN in orange.

    Signed values are orange below 0, white at 0, purple above.

    >>> import torch
    >>> from matplotlib.figure import Figure
    >>> show(Figure().add_subplot(), torch.rand(64), "noise")
    """
    side = math.isqrt(pixels.numel())
    image = pixels.detach().cpu().reshape(side, side).numpy()
    most = float(abs(image).max()) or 1.0
    axes.imshow(image, **({"cmap": "PuOr", "vmin": -most, "vmax": most} if signed else {"cmap": INK}))
    axes.set_axis_off()
    axes.set_title(title, fontsize=8.5)
