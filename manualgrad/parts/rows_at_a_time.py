"""Cross-entropy of a linear layer's outputs, some rows at a time: loss, gradients and tangent."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import HALF
from manualgrad.parts.distributions import along, numbers, onehot_slope

_ONEDNN: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None


class Rows:
    """The inputs of one call as rows, and the cross-entropy of some rows at a time."""

    def __init__(
        self,
        x: Tensor,
        weight: Tensor,
        t: Tensor,
        bias: Tensor | None,
        class_weight: Tensor | None,
        shape: tuple[int, ...],
        reduction: str,
        ignore_index: int,
        s: float,
        rows: int,
    ) -> None:
        self.inputs = x, weight, t, bias, class_weight
        self.dtype = torch.float32 if x.dtype in HALF else x.dtype
        self.x, self.t = (x, t) if x.dim() == 2 else (x.unsqueeze(0), t.unsqueeze(0))
        self.probable = self.t.shape == (len(self.x), *shape)
        if self.probable:
            self.t = self.t.to(torch.promote_types(self.dtype, t.dtype))
        self.weight = weight.reshape(-1, weight.shape[-1])
        self.bias = None if bias is None else bias.reshape(-1)
        self.class_weight = None
        if class_weight is not None:
            self.class_weight = class_weight.to(torch.promote_types(self.dtype, class_weight.dtype))
        self.shape, self.reduction, self.ignore_index, self.s, self.rows = shape, reduction, ignore_index, s, rows

    def some(self, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Some rows of each of the tensors at a time."""
        return zip(*(tensor.split(self.rows) for tensor in tensors), strict=True)

    def logits(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _linear(x, weight, bias).reshape(len(x), *self.shape).to(self.dtype)

    def number(self) -> Any:
        """What the sum of the losses is divided by."""
        if self.reduction != "mean":
            return 1
        if self.probable:
            return self.t.numel() // self.shape[0]
        return numbers(self.t, self.class_weight, self.ignore_index, self.shape[0]).total()

    def reduced(self, losses: list[Tensor]) -> Tensor:
        loss = torch.cat(losses)
        if self.reduction != "none":
            return loss.sum() / self.number()
        return loss if self.inputs[0].dim() == 2 else loss.squeeze(0)

    def loss(self) -> Tensor:
        settings: dict[str, Any] = {
            "reduction": "none",
            "ignore_index": self.ignore_index,
            "label_smoothing": self.s,
        }
        return self.reduced(
            [
                F.cross_entropy(self.logits(x, self.weight, self.bias), t, self.class_weight, **settings)
                for x, t in self.some(self.x, self.t)
            ]
        )

    def loss_and_gradients(self, now: tuple[bool, ...]) -> tuple[Tensor, ...]:
        """Class numbers only, without smoothing. The softmax overwrites the logits, and of onehot only the ones are
        subtracted; what remains of dz, a factor for each row, goes to the narrow side of the matrix products.
        """
        n, losses, dxs = self.number(), [], []
        dweight = torch.zeros_like(self.weight, dtype=self.dtype) if now[1] else None
        dbias = self.weight.new_zeros(len(self.weight), dtype=self.dtype) if now[2] else None
        for x, t in self.some(self.x, self.t.unsqueeze(1)):
            kept = t != self.ignore_index
            index = torch.where(kept, t, 0)
            z = _product(x, self.weight, self.bias).to(self.dtype)
            top, right = z.amax(1, keepdim=True), z.gather(1, index)
            p = torch.softmax(z, 1, out=z)
            loss = top - p.amax(1, keepdim=True).log() - right  # the largest p is e^top / sum e^z
            r = kept.to(self.dtype) if self.class_weight is None else kept * self.class_weight[index]
            losses.append(torch.where(kept, r * loss, 0.0))
            p = p.scatter_add_(1, index, -torch.ones_like(right)).to(x.dtype)
            r = torch.where(kept, r / n, 0.0)
            if now[0]:
                dxs.append(_product(p, self.weight.t()) * r.to(x.dtype))
            if dweight is not None:
                _added(dweight, p, x * r.to(x.dtype), self.dtype)
            if dbias is not None:
                dbias += p.t().mv(r.squeeze(1).to(x.dtype))
            del z, p  # before the next logits are there
        made = (torch.cat(dxs) if dxs else None, dweight, dbias)
        return torch.cat(losses).sum() / n, *(
            g.reshape(like.shape).to(like.dtype)
            for g, like in zip(made, (self.inputs[0], self.inputs[1], self.inputs[3]), strict=True)
            if g is not None and like is not None
        )

    def slopes(self, z: Tensor, t: Tensor, dl: Tensor) -> tuple[Tensor, Any, Any]:
        """Gradients of some rows' losses, times `dl`: of logits and, of probabilities and their weights, by element."""
        if self.probable:
            log_p = z.log_softmax(1)
            w = None if self.class_weight is None else along(self.class_weight, z, 1)
            u = (1 - self.s) * t + self.s / self.shape[0]
            q = u if w is None else u * w
            dt = (self.s - 1) * dl * log_p
            return dl * (log_p.exp() * q.sum(1, keepdim=True) - q), dt if w is None else dt * w, -dl * u * log_p
        targets = numbers(t.unsqueeze(1), self.class_weight, self.ignore_index, self.shape[0])
        return onehot_slope(z, 1, targets, dl, self.class_weight, self.s), None, None

    def gradients(self, dy: Tensor, needs: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
        """Going through the rows again."""
        each = (len(self.x), 1, *self.shape[1:])
        dl = (dy.to(self.dtype) / self.number()) if self.reduction != "none" else dy.to(self.dtype)
        dls = dl.reshape(each) if self.reduction == "none" else dl.expand(each)
        dxs, dts = [], []
        dweight = dbias = dclass_weight = None
        for x, t, some in self.some(self.x, self.t, dls):
            dz, dt, dw = self.slopes(self.logits(x, self.weight, self.bias), t, some)
            dz = dz.reshape(len(x), len(self.weight)).to(x.dtype)
            if needs[0]:
                dxs.append(dz @ self.weight)
            if needs[1]:
                dweight = _added(dweight, dz, x, self.dtype)
            if needs[2]:
                dts.append(dt)
            if needs[3]:
                dbias = dz.sum(0) if dbias is None else dbias + dz.sum(0)
            if needs[4]:
                dw = dw.sum([d for d in range(dw.dim()) if d != 1])
                dclass_weight = dw if dclass_weight is None else dclass_weight + dw
        made = (torch.cat(dxs) if dxs else None, dweight, torch.cat(dts) if dts else None, dbias, dclass_weight)
        return tuple(
            None if g is None or like is None else g.reshape(like.shape).to(like.dtype)
            for g, like in zip(made, self.inputs, strict=True)
        )

    def tangent(
        self, x_t: Tensor | None, weight_t: Tensor | None, t_t: Tensor | None, bias_t: Tensor | None, w_t: Tensor | None
    ) -> Tensor:
        if w_t is not None and not self.probable:
            raise RuntimeError("linear_cross_entropy: the weight of class numbers has no tangent here")
        ones = self.x.new_ones((), dtype=self.dtype)
        x_ts = torch.zeros_like(self.x) if x_t is None else x_t.reshape(self.x.shape)
        t_ts = torch.zeros_like(self.t) if t_t is None else t_t.reshape(self.t.shape)
        weight_t = torch.zeros_like(self.weight) if weight_t is None else weight_t.reshape(self.weight.shape)
        bias_t = None if bias_t is None else bias_t.reshape(-1)
        losses = []
        for x, t, x_t, t_t in self.some(self.x, self.t, x_ts, t_ts):
            dz, dt, dw = self.slopes(self.logits(x, self.weight, self.bias), t, ones)
            loss_t = dz * (self.logits(x_t, self.weight, None) + self.logits(x, weight_t, bias_t))
            if dt is not None:
                loss_t = loss_t + dt * t_t
            if dw is not None and w_t is not None:
                loss_t = loss_t + dw * w_t.view(-1, *[1] * (dw.dim() - 2))
            losses.append(loss_t.sum(1))
        return self.reduced(losses)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return x @ weight.t() if bias is None else torch.addmm(bias, x, weight.t())  # faster than F.linear on the CPU


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The same for values alone: in float32 by oneDNN, as MKL's product takes twice the time on AMD's processors.

    That kernel knows neither derivatives nor vmap.
    """
    if _ONEDNN is None or x.dtype != torch.float32 or x.device.type != "cpu" or not torch.backends.mkldnn.enabled:
        return _linear(x, weight, bias)
    product: Tensor = _ONEDNN(x, weight, bias, "none", [], "")
    return product


def _added(total: Tensor | None, dz: Tensor, x: Tensor, dtype: torch.dtype) -> Tensor:
    """`total + dz^T x`, in place where there is a total."""
    if total is None:
        return dz.t().mm(x).to(dtype)
    return total.addmm_(dz.t(), x) if x.dtype == dtype else total.add_(dz.t().mm(x))
