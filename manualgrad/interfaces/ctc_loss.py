"""Connectionist temporal classification: labels in both forms, once everything is seen to fit.

`formulas/ctc_loss.py` has the mathematics.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from manualgrad.formula import call, values_are_visible
from manualgrad.formulas.ctc_loss import CTCLossFunction
from manualgrad.public import expect_floating, public


@public
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Loss of sequences of labels without alignment. Same values as `torch.nn.functional.ctc_loss`, and gradients of
    logits.

    log_probs (T, N, C) or (T, C), logarithms of probabilities; targets (N, S) or all rows one after the other, class
    numbers other than blank; how much of each row counts, in input_lengths and target_lengths, (N) integers (give
    them as tuples of numbers under torch.compile). Raises RuntimeError for shapes, lengths or a blank that do not
    fit, IndexError for a class number out of range, ValueError for an unknown reduction.

    >>> import torch
    >>> x = torch.full((3, 1, 2), 0.5).log().requires_grad_()
    >>> loss = ctc_loss(x, torch.tensor([[1]]), (3,), (1,))
    >>> loss.backward()
    >>> loss, x.grad[:, 0]
    (tensor(0.2877, grad_fn=<CTCLossFunctionBackward>), tensor([[-0.5000, -0.5000],
            [-0.3333, -0.6667],
            [-0.5000, -0.5000]]))
    """
    expect_floating("ctc_loss: log_probs", log_probs)
    times, lengths = _numbers("input_lengths", input_lengths), _numbers("target_lengths", target_lengths)
    labels = _rows(log_probs, targets, times, lengths, blank)
    return call(CTCLossFunction, log_probs, labels, times, lengths, blank, reduction, zero_infinity)


def _numbers(name: str, lengths: Tensor | Sequence[int]) -> tuple[int, ...]:
    if isinstance(lengths, Tensor):
        if lengths.is_floating_point() or lengths.is_complex():
            raise RuntimeError(f"ctc_loss: {name} must be integers, got {lengths.dtype}")
        lengths = lengths.reshape(-1).tolist()
    return tuple(lengths)


def _rows(x: Tensor, targets: Tensor, times: tuple[int, ...], lengths: tuple[int, ...], blank: int) -> Tensor:
    """The labels as (N, S), blanks after them, once everything is seen to fit."""

    def expect(fits: bool, what: str, error: type[Exception] = RuntimeError) -> None:
        if not fits:
            raise error(f"ctc_loss: {what}")

    expect(x.dim() in (2, 3) and x.numel() > 0, f"log_probs must have shape (T, N, C) or (T, C), got {tuple(x.shape)}")
    time, *batched, classes = x.shape
    batch = batched[0] if batched else 1
    expect(
        len(times) == len(lengths) == batch,
        f"input_lengths and target_lengths must hold {batch} numbers each, as "
        f"log_probs {tuple(x.shape)} has samples, got {len(times)} and {len(lengths)}",
    )
    expect(all(0 <= t <= time for t in times), f"input_lengths must lie in [0, {time}], got {times}")
    expect(0 <= blank < classes, f"blank must be a class number, in [0, {classes}), got {blank}")
    longest = max(lengths)
    if targets.dim() == 1:
        expect(
            targets.numel() == sum(lengths),
            f"targets must hold {sum(lengths)} labels, as target_lengths says, got {targets.numel()}",
        )
        labels = pad_sequence(targets.long().split(lengths), batch_first=True, padding_value=blank)
    else:
        expect(
            targets.dim() == 2 and len(targets) == batch and targets.shape[1] >= longest,
            f"targets must have shape ({batch}, {longest} or more), got {tuple(targets.shape)}",
        )
        counts = torch.arange(longest, device=targets.device) < torch.tensor(lengths, device=targets.device).unsqueeze(
            1
        )
        labels = torch.where(counts, targets[:, :longest].long(), blank)
    if values_are_visible() and labels.numel():
        least, most = (v.item() for v in labels.aminmax())
        expect(
            least >= 0 and most < classes,
            f"targets must be class numbers, in [0, {classes}), got {least if least < 0 else most}",
            IndexError,
        )
    return labels


class CTCLoss(nn.CTCLoss):
    """Drop-in `torch.nn.CTCLoss` computed by `manualgrad.functional.ctc_loss`."""

    def forward(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
    ) -> Tensor:
        return ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
