r"""Connectionist temporal classification: minus the log-probability of a sequence of labels, over all its alignments.

    forward    y        = -log sum over alignments of prod_t p_t(symbol at time t),  x = log p
    backward   dx_t(k)  = -dy . P(symbol k at time t | labels)
    tangent    y'       = -sum_t sum_k P(symbol k at time t | labels) x_t'(k)

An alignment walks through the labels with a blank before, between and after them, from one of the first two to one of
the last two places; it stays, moves on by one, or by two from a label to a different one. With a_t(s) the
log-probability of all walks that are at place s at time t, what is emitted then included,

    a_t(s) = x_t(symbol of s) + log (e^a_(t-1)(s) + e^a_(t-1)(s-1) + e^a_(t-1)(s-2) where that is allowed)

and b_t(s) the same from the end, P(place s at time t | labels) = e^(a_t(s) + b_t(s) - x_t(symbol of s) + y). Places of
one symbol add up. This is the derivative by x as it stands. torch's has p_t(k) added, which is right only where x is
the log_softmax of logits, whose backward pass takes it off again; with respect to the logits both are the same.

Reduction 'mean' divides each y by the number of labels, at least 1, and takes the mean of the batch. Where no alignment
is short enough, y is inf and dx NaN; with `zero_infinity` both are 0.

Shapes: x (T, N, C) or (T, C); labels (N, S); y () or, with 'none', (N). Saves x and the labels: a and b are computed
again, both in the same T steps, which costs less than keeping them.
Source: Graves, Fernandez, Gomez & Schmidhuber (2006), Connectionist temporal classification, section 4.1.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from manualgrad.formula import HALF, Formula, call, reduce, save, values_are_visible
from manualgrad.public import public

NEVER = -1e30  # the logarithm of 0: finite, so that differences of it are numbers


class CTCLossFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(
        x: Tensor,
        labels: Tensor,
        times: tuple[int, ...],
        lengths: tuple[int, ...],
        blank: int,
        reduction: str,
        zero_infinity: bool,
    ) -> Tensor:
        batch = _batched(x.float() if x.dtype in HALF else x)
        emitted, skips, _ = _places(batch, labels, blank)
        begins = torch.arange(len(emitted), device=x.device).view(-1, 1, 1) == 0
        scores = _walk(emitted, skips, _first(emitted), begins)
        rows, last = torch.arange(len(times), device=x.device), torch.tensor(times, device=x.device)
        final = scores[(last - 1).clamp(min=0), rows]
        final = torch.where(last.view(-1, 1) > 0, final, torch.where(_first(emitted) == 0, 0.0, NEVER))
        losses = -torch.where(_last(emitted, lengths), final, NEVER).logsumexp(1)
        losses = torch.where(losses < -NEVER / 2, losses, 0.0 if zero_infinity else torch.inf)
        if reduction == "mean":
            losses = losses / torch.tensor(lengths, device=x.device).clamp(min=1)
        losses = losses.squeeze(0) if x.dim() == 2 else losses
        return reduce(losses, reduction).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, labels, ctx.times, ctx.lengths, ctx.blank, ctx.reduction, ctx.zero_infinity = inputs
        save(ctx, x, labels)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, labels = ctx.saved_tensors
        dx = _posterior(ctx, x, labels) * -(dy.reshape(-1, 1) if ctx.reduction == "none" else dy * _shares(ctx, x))
        return dx.reshape(x.shape), None, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        losses_t = -(_posterior(ctx, *ctx.saved_tensors) * _batched(x_t)).sum((0, 2))
        if ctx.reduction != "none":
            return (losses_t * _shares(ctx, x_t).squeeze(1)).sum()
        return losses_t.squeeze(0) if x_t.dim() == 2 else losses_t


def _batched(x: Tensor) -> Tensor:
    return x.unsqueeze(1) if x.dim() == 2 else x


def _shares(ctx: Any, x: Tensor) -> Tensor:
    """What each sample counts in the 'sum' or the 'mean': (N, 1)."""
    if ctx.reduction == "sum":
        return x.new_ones(len(ctx.lengths), 1)
    return 1 / (torch.tensor(ctx.lengths, dtype=x.dtype, device=x.device).clamp(min=1) * len(ctx.lengths)).unsqueeze(1)


def _places(x: Tensor, labels: Tensor, blank: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of the places, P = 2 S + 1: the log-probability of what each emits (T, N, P), whether a walk may come from two
    places before, as a logarithm (N, P), and the symbols (N, P).
    """
    symbols = _among(blank, labels)
    skips = _among(NEVER, torch.where(labels != labels.roll(1, 1), 0.0, NEVER))
    return x.gather(2, symbols.expand(len(x), -1, -1)).clamp(min=NEVER), skips, symbols


def _among(filler: float, values: Tensor) -> Tensor:
    """`values` with a filler before, between and after them."""
    return F.pad(torch.stack((torch.full_like(values, filler), values), 2).flatten(1), (0, 1), value=filler)


def _first(emitted: Tensor) -> Tensor:
    """The places where a walk may begin, as a logarithm: (P)."""
    return torch.where(torch.arange(emitted.shape[2], device=emitted.device) < 2, 0.0, NEVER)


def _last(emitted: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """The places where a walk may end: (N, P)."""
    ahead = 2 * torch.tensor(lengths, device=emitted.device).unsqueeze(1)
    ahead = ahead - torch.arange(emitted.shape[2], device=emitted.device)
    return (ahead == 0) | (ahead == 1)


def _walk(emitted: Tensor, skips: Tensor, start: Tensor, begins: Tensor) -> Tensor:
    """a of all times and places, (T, N, P). Walks begin at `start` at the time when `begins` (T, N, 1) says so."""
    score, scores = torch.full_like(emitted[0], NEVER), []
    for here, begin in zip(emitted.unbind(), begins.unbind(), strict=True):
        before = F.pad(score, (2, 0), value=NEVER)
        reached = torch.logaddexp(torch.logaddexp(score, before[:, 1:-1]), before[:, :-2] + skips)
        score = torch.where(begin, start, reached) + here
        scores.append(score)
    return torch.stack(scores)


def _posterior(ctx: Any, x: Tensor, labels: Tensor) -> Tensor:
    """P(symbol k at time t | labels), (T, N, C). The walks from the end are walks in a mirror, beside the others."""
    x = _batched(x)
    emitted, skips, symbols = _places(x, labels, ctx.blank)
    first, last = _first(emitted), torch.where(_last(emitted, ctx.lengths), 0.0, NEVER)
    times = torch.tensor(ctx.times, device=x.device).view(-1, 1)
    clock = torch.arange(len(x), device=x.device).view(-1, 1, 1)
    scores = _walk(
        torch.cat((emitted, emitted.flip(0, 2)), 1),
        torch.cat((skips, skips.flip(1).roll(2, 1))),
        torch.cat((first.expand_as(last), last.flip(1))),
        torch.cat(((clock == 0).expand(-1, len(times), 1), clock == len(x) - times), 1),
    )
    a, b = scores.chunk(2, 1)
    b = b.flip(0, 2)
    total = (b[0] + first).logsumexp(1, keepdim=True)
    impossible = total < NEVER / 2
    places = (a + b - emitted - torch.where(impossible, 0.0, total)).exp()
    if not ctx.zero_infinity:
        places = torch.where(impossible & (times > 0), torch.nan, places)
    return places.new_zeros(x.shape).scatter_add(2, symbols.expand(len(x), -1, -1), places)


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
    times, lengths = _numbers("input_lengths", input_lengths), _numbers("target_lengths", target_lengths)
    labels = _rows(log_probs, targets, times, lengths, blank)
    return call(CTCLossFunction, log_probs, labels, times, lengths, blank, reduction, zero_infinity)


def _numbers(name: str, lengths: Tensor | Sequence[int]) -> tuple[int, ...]:
    if isinstance(lengths, Tensor):
        if lengths.is_floating_point():
            raise RuntimeError(f"ctc_loss: {name} must be integers, got {lengths.dtype}")
        lengths = lengths.reshape(-1).tolist()
    return tuple(lengths)


def _rows(x: Tensor, targets: Tensor, times: tuple[int, ...], lengths: tuple[int, ...], blank: int) -> Tensor:
    """The labels as (N, S), blanks after them, once everything is seen to fit."""

    def expect(fits: bool, what: str, error: type[Exception] = RuntimeError) -> None:
        if not fits:
            raise error(f"ctc_loss: {what}")

    expect(x.dim() in (2, 3) and x.numel() > 0, f"log_probs must have shape (T, N, C) or (T, C), got {tuple(x.shape)}")
    time, batch, classes = _batched(x).shape
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
