"""The error of a prediction, which losses of regression are made of."""

import torch
from torch import Tensor


def difference(x: Tensor, t: Tensor) -> Tensor:
    """`x - t`, where booleans count as 0 and 1, as they do in torch's losses; torch's `-` refuses them."""
    return torch.add(x, t, alpha=-1)
