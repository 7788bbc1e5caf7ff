"""Alignments of labels with time, all of them at once: the forward-backward algorithm.

Of the places of a walk, P = 2 S + 1, one in two is a blank: before, between and after the S labels. Walks begin at one
of the first two and end at one of the last two; in a step of time they stay, move on by one, or by two from a label to
a different one. `times` and `lengths` say how much of each row of x (T, N, C) and of the labels (N, S) counts.

Source: Graves, Fernandez, Gomez & Schmidhuber (2006), Connectionist temporal classification, section 4.1.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

NEVER = -1e30  # the logarithm of 0: finite, so that differences of it are numbers


def minus_log_likelihood(
    x: Tensor, labels: Tensor, times: tuple[int, ...], lengths: tuple[int, ...], blank: int, zero_infinity: bool
) -> Tensor:
    """-log of the sum over all alignments, (N); where there is none, infinity, or 0 if that is to be."""
    emitted, skips, _ = _places(x, labels, blank)
    begins = torch.arange(len(emitted), device=x.device).view(-1, 1, 1) == 0
    scores = _walk(emitted, skips, _first(emitted), begins)
    rows, last = torch.arange(len(times), device=x.device), torch.tensor(times, device=x.device)
    final = scores[(last - 1).clamp(min=0), rows]
    final = torch.where(last.view(-1, 1) > 0, final, torch.where(_first(emitted) == 0, 0.0, NEVER))
    losses = -torch.where(_last(emitted, lengths), final, NEVER).logsumexp(1)
    return torch.where(losses < -NEVER / 2, losses, 0.0 if zero_infinity else torch.inf)


def posterior(
    x: Tensor, labels: Tensor, times: tuple[int, ...], lengths: tuple[int, ...], blank: int, zero_infinity: bool
) -> Tensor:
    """P(symbol k at time t | labels), (T, N, C). The walks from the end are walks in a mirror, beside the others.

    Where there is no alignment, NaN, or 0 if that is to be.
    """
    emitted, skips, symbols = _places(x, labels, blank)
    first, last = _first(emitted), torch.where(_last(emitted, lengths), 0.0, NEVER)
    ends = torch.tensor(times, device=x.device).view(-1, 1)
    clock = torch.arange(len(x), device=x.device).view(-1, 1, 1)
    scores = _walk(
        torch.cat((emitted, emitted.flip(0, 2)), 1),
        torch.cat((skips, skips.flip(1).roll(2, 1))),
        torch.cat((first.expand_as(last), last.flip(1))),
        torch.cat(((clock == 0).expand(-1, len(ends), 1), clock == len(x) - ends), 1),
    )
    a, b = scores.chunk(2, 1)
    b = b.flip(0, 2)
    total = (b[0] + first).logsumexp(1, keepdim=True)
    impossible = total < NEVER / 2
    places = (a + b - emitted - torch.where(impossible, 0.0, total)).exp()
    if not zero_infinity:
        places = torch.where(impossible & (ends > 0), torch.nan, places)
    return places.new_zeros(x.shape).scatter_add(2, symbols.expand(len(x), -1, -1), places)


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
    """The log-probability of all walks that are at a place at a time, for all of these, (T, N, P).

    Walks begin at `start` at the time when `begins` (T, N, 1) says so.
    """
    score, scores = torch.full_like(emitted[0], NEVER), []
    for here, begin in zip(emitted.unbind(), begins.unbind(), strict=True):
        before = F.pad(score, (2, 0), value=NEVER)
        reached = torch.logaddexp(torch.logaddexp(score, before[:, 1:-1]), before[:, :-2] + skips)
        score = torch.where(begin, start, reached) + here
        scores.append(score)
    return torch.stack(scores)
