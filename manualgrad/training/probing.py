"""A linear probe: what a frozen network has found out, judged by how well one linear layer reads it."""

from __future__ import annotations

import torch
from torch import Tensor

from manualgrad import nn

Rows = tuple[Tensor, Tensor]


def linear_probe(train: Rows, test: Rows, steps: int = 300) -> float:
    """Train a linear layer on codes (rows, width) and their classes (rows,), all at once; its accuracy on others.

    Each number of the code is taken less its mean, divided by its deviation over the rows trained on. AdamW, learning
    rate 0.01, weight decay 0.1; nothing flows back into the codes.

    >>> codes = torch.tensor([[0.0, 1.0], [0.2, 0.9], [5.0, 1.1], [4.8, 1.0]])
    >>> linear_probe((codes, torch.tensor([0, 0, 1, 1])), (codes + 0.1, torch.tensor([0, 0, 1, 1])))
    1.0
    """
    (x, y), (seen, answers) = ((codes.detach(), classes) for codes, classes in (train, test))
    centre, scale = x.mean(dim=0), x.std(dim=0).clamp_min(1e-6)
    x, seen = (x - centre) / scale, (seen - centre) / scale
    layer, loss_of = nn.Linear(x.shape[1], int(y.max()) + 1), nn.CrossEntropyLoss()
    nn.init.zeros_(layer.weight)  # a convex problem: no seed is needed
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(steps):
        loss = loss_of(layer(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(str((layer(seen).argmax(dim=1) == answers).float().mean().numpy()))
