"""The row of the loss of sequences that are not aligned."""

from collections.abc import Sequence

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.losses.shared import reduced
from manualgrad.catalogue.row import Draw, Row, classes, constant, drop, integers, normal, sample
from manualgrad.formulas.ctc_loss import CTCLossFunction

T = torch.nn.functional


def _ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """torch's gradient is that of log_softmax(log_probs), and it has no second derivative."""
    batch = log_probs.unsqueeze(1) if log_probs.dim() == 2 else log_probs
    times, lengths = (torch.as_tensor(v).reshape(-1).tolist() for v in (input_lengths, target_lengths))
    rows = targets.split(lengths) if targets.dim() == 1 else targets
    losses = []
    for n, (time, length) in enumerate(zip(times, lengths, strict=True)):
        labels = rows[n][:length].tolist()
        symbols = [blank, *(symbol for label in labels for symbol in (label, blank))]
        walks = [batch.new_zeros(())] * len(symbols)  # the probability of all walks that end at each place
        for t in range(time):
            ways = []
            for s, symbol in enumerate(symbols):
                reached = [batch.new_ones(())] if t == 0 and s < 2 else walks[max(0, s - 1) : s + 1]
                if s > 2 and s % 2 and symbol != symbols[s - 2]:
                    reached = [*reached, walks[s - 2]]
                ways.append(torch.stack(reached).sum() * batch[t, n, symbol].exp())
            walks = ways
        loss = -torch.stack(walks[-2:]).sum().log()
        losses.append(loss / max(length, 1) if reduction == "mean" else loss)
    loss = torch.stack(losses)
    return reduced(loss.squeeze(0) if log_probs.dim() == 2 else loss, None, None, reduction)


ROWS: tuple[Row, ...] = (
    Row(
        F.ctc_loss,
        T.ctc_loss,
        CTCLossFunction,
        samples=(
            sample(normal(5, 2, 4), integers([[1, 2], [3, 3]]), (5, 4), (2, 2)),
            sample(normal(6, 2, 4), integers([[1, 0], [3, 2]]), (4, 6), (1, 2), 2, reduction="none"),
            sample(normal(5, 2, 4), integers([1, 2, 3]), integers([5, 3]), integers([2, 1]), reduction="sum"),
            sample(normal(5, 2, 4), integers([[1, 2], [3, 3]]), (5, 4), (0, 2), zero_infinity=True),
            sample(normal(5, 4), integers([1, 2]), integers(5), integers(2)),
            sample(normal(5, 4), integers([1, 1]), (5,), (2,), reduction="none"),
            sample(normal(2, 2, 4), constant(classes(2, 0, below=4)), (2, 1), (0, 0), reduction="none"),
        ),
        modules=(
            drop(
                nn.CTCLoss,
                on=(normal(5, 2, 4), integers([[1, 2], [3, 3]]), (5, 4), (2, 2)),
                before=lambda x: F.log_softmax(x, -1),
            ),
            drop(
                nn.CTCLoss,
                2,
                "sum",
                True,
                on=(normal(5, 2, 4), integers([[1, 0], [3, 1]]), integers([5, 4]), integers([2, 2])),
                before=lambda x: F.log_softmax(x, -1),
            ),
        ),
        reference=_ctc_loss,
        note="torch's gradient of log_probs is right only behind log_softmax, and it has no second derivative",
        realistic=sample(
            Draw(lambda g, d: torch.randn(100, 16, 50, generator=g).log_softmax(-1).to(d)),
            Draw(lambda g, d: torch.randint(1, 50, (16, 20), generator=g), differentiable=False),
            (100,) * 16,
            (20,) * 16,
        ),
    ),
)
