r"""The smallest change of an input that makes a classifier answer otherwise.

Were the scores z linear, the nearest input where class k overtakes the answer c would be x + r with

    r = (z_c - z_k) w / |w|^2       w = d(z_k - z_c) / dx        for the class k of the smallest |r|

They are not, so the step is taken, the scores are looked at again, and so on until the answer turns.
Source: Moosavi-Dezfooli, Fawzi & Frossard (2016), DeepFool: a simple and accurate method to fool deep neural networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from manualgrad import functional as F

OVERSHOOT = 1.02  # to end beyond the border, not on it


def smallest_change(network: nn.Module, x: Tensor, steps: int = 50) -> Tensor:
    """What to add to each of the inputs x (rows, columns) so that the network's highest score is another.

    `network` gives scores (rows, classes), each row's of that row alone; its weights are not changed, and no gradient
    is left at them. A row that has not turned after so many steps gets the change that it has come to by then.

    >>> network = nn.Linear(2, 2, bias=False)
    >>> _ = network.weight.data.copy_(torch.eye(2))  # the larger of the two
    >>> smallest_change(network, torch.tensor([[5.0, 1.0]])).round(decimals=1)
    tensor([[-2.,  2.]])
    """
    change, rows = torch.zeros_like(x), torch.arange(len(x))
    answer = network(x).argmax(dim=1)
    for _ in range(steps):
        seen = (x + OVERSHOOT * change).requires_grad_()
        scores = network(seen)
        turned = scores.argmax(dim=1) != answer
        if turned.all():
            break
        each = (F.sum(F.select(scores, 1, k)) for k in range(scores.shape[1]))
        slopes = torch.stack([torch.autograd.grad(score, seen, retain_graph=True)[0] for score in each], dim=1)
        slopes = slopes - slopes[rows, answer, None]
        gaps = (scores[rows, answer, None] - scores).detach()
        lengths = gaps / slopes.norm(dim=2)
        lengths[rows, answer] = torch.inf
        nearest = lengths.argmin(dim=1)
        w, gap = slopes[rows, nearest], gaps[rows, nearest, None]
        step = (gap + 1e-4) / w.square().sum(dim=1, keepdim=True) * w
        change = torch.where(turned[:, None], change, change + step)
    return OVERSHOOT * change
