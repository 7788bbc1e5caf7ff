"""Triplet margin loss with any distance between the three.

Source: Balntas, Riba, Ponsa & Mikolajczyk (2016), Learning local feature descriptors with triplets and shallow
convolutional neural networks, eqs. 3 and 5.
"""

from collections.abc import Callable

from torch import Tensor, nn

from manualgrad.formulas.arithmetic import add, sub
from manualgrad.formulas.choice import clamp
from manualgrad.formulas.extremes import minimum
from manualgrad.formulas.pairwise_distance import pairwise_distance
from manualgrad.formulas.reductions import mean, sum
from manualgrad.parts.shapes import check_dimensions
from manualgrad.public import public

Distance = Callable[[Tensor, Tensor], Tensor]


@public
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`mean(max(0, margin + d(anchor, positive) - d(anchor, negative)))`, of any distance d.

    Values and gradients of `torch.nn.functional.triplet_margin_with_distance_loss`. distance_function is
    `manualgrad.functional.pairwise_distance` by default; one that is given is differentiated by what it is made of.
    swap takes the positive in place of the anchor where it is nearer to the negative. Raises RuntimeError for numbers
    of dimensions that differ, ValueError for a margin that is not positive and for an unknown reduction.

    >>> import torch
    >>> a = torch.tensor([[0.0, 0.0]], requires_grad=True)
    >>> def city_block(x, y):
    ...     return pairwise_distance(x, y, p=1.0, eps=0.0)
    >>> loss = triplet_margin_with_distance_loss(
    ...     a, torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]]), distance_function=city_block
    ... )
    >>> loss.backward()
    >>> loss.item(), a.grad
    (6.0, tensor([[-1.,  0.]]))
    """
    name = "triplet_margin_with_distance_loss"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{name}: reduction must be 'none', 'mean' or 'sum', got {reduction!r}")
    if margin <= 0:
        raise ValueError(f"{name}: margin must be greater than 0, got {margin}")
    check_dimensions(f"{name}: ", anchor=anchor, positive=positive, negative=negative)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    loss = clamp(sub(add(near, margin), far), min=0)
    return loss if reduction == "none" else sum(loss) if reduction == "sum" else mean(loss)


class TripletMarginWithDistanceLoss(nn.TripletMarginWithDistanceLoss):
    """Drop-in `torch.nn.TripletMarginWithDistanceLoss`, computed by `triplet_margin_with_distance_loss`."""

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        distance = self.distance_function
        if type(distance) is nn.PairwiseDistance:  # torch's own default
            distance = _by_hand(distance)
        return triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=distance,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


def _by_hand(module: nn.PairwiseDistance) -> Distance:
    return lambda x1, x2: pairwise_distance(x1, x2, module.norm, module.eps, module.keepdim)
