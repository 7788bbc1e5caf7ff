r"""The local derivatives of one step, element by element.

    output k of a step depends on element i of an argument with the slope  d y_k / d x_i

They come from the formula's own backward pass, which turns an upstream gradient dy into dx = J^T dy: with dy one at k
and zero elsewhere, dx is row k of J. Rows are few for small steps only, so that the common structures are recognised
first: one output (one row), x W^T + b (J is made of x and W), and every function in which an element of the argument
reaches at most one element of the output (activations, sums, transposes, most indexing), for which two questions tell
all of J.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from manualgrad.explaining.trace import Operation, send_back

MOST_ROWS = 4096  # backward passes that a step without known structure may take
FEW_ROWS = 64  # and that a table or a line of text may take


@dataclass(frozen=True)
class Slopes:
    """d output[target] / d argument[source] = slope, in flat indices; what is not listed is 0."""

    source: Tensor
    target: Tensor
    slope: Tensor

    def of(self, sources: Tensor) -> Slopes:
        """Those that start at one of `sources`."""
        keep = torch.isin(self.source, sources)
        return Slopes(self.source[keep], self.target[keep], self.slope[keep])


def local_derivatives(operation: Operation, position: int, sources: Tensor, output: int = 0) -> Slopes:
    """The slopes of an output of the step in the elements `sources` (flat indices) of the argument at `position`.

    Slopes of 0 are left out, except where an element plainly reaches its own place (a ReLU that is off): there the path
    goes on, and what runs along it is multiplied by 0.

    Raises ValueError if the step has no structure that is known and more than MOST_ROWS outputs.
    """
    found = _structured(operation, position, sources, output)
    if found is not None:
        return found
    y = operation.outputs[output].value
    if y.numel() > MOST_ROWS:
        raise ValueError(
            f"step {operation.number} ({operation.title}) has {y.numel()} outputs, too many to trace one by one; "
            "explain fewer examples, or a smaller layer"
        )
    return _row_by_row(operation, position, sources, output)


def few_derivatives(operation: Operation, position: int, sources: Tensor) -> Slopes | None:
    """The slopes of a step's first output where they are quickly had, None where they take more than FEW_ROWS rows."""
    found = _structured(operation, position, sources, 0)
    if found is None and operation.output.value.numel() <= FEW_ROWS:
        return _row_by_row(operation, position, sources, 0)
    return found


def _structured(operation: Operation, position: int, sources: Tensor, output: int) -> Slopes | None:
    x, y = operation.inputs[position].value, operation.outputs[output].value
    if operation.is_linear:
        return _of_linear(operation, position, sources)
    if y.numel() == 1:
        row = _back(operation, position, output, torch.ones_like(y)).flatten()[sources]
        return _without_zeros(sources, torch.zeros_like(sources), row, keep=x.numel() == 1)
    found = _one_target_each(operation, position, output)
    return None if found is None else found.of(sources)


def _row_by_row(operation: Operation, position: int, sources: Tensor, output: int) -> Slopes:
    y = operation.outputs[output].value
    rows = []
    for k in range(y.numel()):
        dy = torch.zeros_like(y).flatten()
        dy[k] = 1
        rows.append(_back(operation, position, output, dy.reshape(y.shape)).flatten()[sources])
    slopes = torch.stack(rows)
    target, place = slopes.nonzero(as_tuple=True)
    return Slopes(sources[place], target, slopes[target, place])


def is_pointwise(operation: Operation) -> bool:
    """Whether it is a function of one moving tensor, element by element, as activations are."""
    moving = operation.moving
    if len(moving) != 1 or len(operation.outputs) != 1 or moving[0][1].value.shape != operation.output.value.shape:
        return False
    slopes = _one_target_each(operation, moving[0][0], 0)
    return slopes is not None and torch.equal(slopes.source, slopes.target)


def _back(operation: Operation, position: int, output: int, dy: Tensor) -> Tensor:
    dys: list[Tensor | None] = [None] * len(operation.outputs)
    dys[output] = dy
    with torch.no_grad():
        dx = send_back(operation.step, dys)[position]
    x = operation.inputs[position].value
    return torch.zeros_like(x) if dx is None else dx.expand(x.shape)


def _of_linear(operation: Operation, position: int, sources: Tensor) -> Slopes:
    """y_nk = sum_j x_nj W_kj + b_k: the slope in x_nj is W_kj, in W_kj it is x_nj, in b_k it is 1."""
    x, weight = operation.inputs[0].value, operation.inputs[1].value
    units, width = weight.shape
    examples = operation.output.value.numel() // units
    rows = x.reshape(examples, width)
    if position == 0:
        n, j = sources // width, sources % width
        target = n[:, None] * units + torch.arange(units, device=sources.device)
        slope = weight[:, j].t()
    elif position == 1:
        k, j = sources // width, sources % width
        target = torch.arange(examples, device=sources.device) * units + k[:, None]
        slope = rows[:, j].t()
    else:
        repeats = torch.arange(operation.output.value.numel(), device=sources.device).reshape(examples, units)
        every = repeats.reshape(1, -1).expand(len(sources), -1)  # one bias for all units reaches them all
        target = every if operation.inputs[2].one else repeats.t()[sources]
        slope = torch.ones_like(target, dtype=weight.dtype)
    return Slopes(sources[:, None].expand_as(target).flatten(), target.flatten(), slope.flatten())


def _one_target_each(operation: Operation, position: int, output: int) -> Slopes | None:
    """The slopes, if every element of the argument reaches at most one element of the output; None if not.

    dy = 1, 1, 1, ... gives each element its slope s_i; dy = 1, 2, 3, ... gives s_i times the number of its target.
    Random dy confirm it: were there a second target, they would agree with probability 0.
    """
    x, y = operation.inputs[position].value, operation.outputs[output].value
    if not y.is_floating_point() or y.dtype in (torch.float16, torch.bfloat16):
        return None
    slope = _back(operation, position, output, torch.ones_like(y)).flatten()
    count = torch.arange(1, y.numel() + 1, dtype=y.dtype, device=y.device).reshape(y.shape)
    numbers = _back(operation, position, output, count).flatten() / slope
    alive = slope != 0
    target = torch.where(alive, numbers, 1).round().long() - 1
    if bool(((target < 0) | (target >= y.numel())).any()):
        return None
    generator = torch.Generator().manual_seed(0)
    random = torch.rand(y.shape, generator=generator, dtype=torch.float64).to(y) + 0.5
    expected = slope * random.flatten()[target]
    if not torch.allclose(_back(operation, position, output, random).flatten(), expected, rtol=1e-4, atol=0):
        return None
    sources = torch.arange(x.numel(), device=x.device)
    if x.shape == y.shape:
        return Slopes(sources, torch.where(alive, target, sources), slope)
    return _without_zeros(sources, target, slope)


def _without_zeros(source: Tensor, target: Tensor, slope: Tensor, keep: bool = False) -> Slopes:
    alive = slope != 0
    if keep:
        alive = torch.ones_like(alive)
    return Slopes(source[alive], target[alive], slope[alive])
