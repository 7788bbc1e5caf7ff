"""The module stands in for torch's."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import torch
from torch import Tensor

from manualgrad.catalogue import Row, Sample
from manualgrad.proof.comparing import call, leaves_of, outputs_of, random_like, reaches, same


def module(row: Row) -> None:
    """The module is a drop-in: repr, state_dict, initialisation, values and gradients are those of the torch module."""
    for d in row.modules:
        built = []
        for kind in (d.module, d.twin):
            torch.manual_seed(row.seed)
            built.append(kind(*d.arguments, **d.keywords).double())
        mine, theirs = built
        what = f"{row.name}, {mine!r}"
        assert repr(mine) == repr(theirs), f"{what} for {theirs!r}"
        assert isinstance(mine, d.twin), what
        state, state_torch = mine.state_dict(), theirs.state_dict()
        assert list(state) == list(state_torch), what
        for key in state:
            assert torch.equal(state[key], state_torch[key]), f"{what}: {key}"
        results = []
        for m in (mine, theirs, pickle.loads(pickle.dumps(mine)), copy.deepcopy(mine)):
            arguments = Sample(d.inputs).draw(torch.float64, row.seed)
            wanted = [*leaves_of(arguments), *m.parameters()]
            if d.before is not None:
                arguments[0][0] = d.before(arguments[0][0])
            outputs = [o for o in call(m, arguments) if o.requires_grad]
            dxs = torch.autograd.grad(outputs, wanted, random_like(outputs, 1), allow_unused=True)
            results.append([*outputs, *dxs])
        tolerance = 1e-11 if row.reference is None else 1e-6  # with a reference, torch's own derivative may be inexact
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                same(a, b, what, rtol=tolerance)
        assert reaches(results[0][0].grad_fn, row.formula), f"{what}: computed by torch"


def exported(row: Row) -> None:
    """torch.export takes the module, and the program gives the same values."""
    for d in row.modules[:1]:
        mine = d.module(*d.arguments, **d.keywords).eval()
        inputs = tuple(_detached(Sample(d.inputs).draw(torch.float32, row.seed)[0]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(mine, inputs)
            for a, b in zip(outputs_of(program.module()(*inputs)), outputs_of(mine(*inputs)), strict=True):
                same(a.detach(), b.detach(), f"{row.name}, exported", rtol=1e-6, atol=1e-6)


def _detached(values: list[Any]) -> list[Any]:
    return [v.detach() if isinstance(v, Tensor) else v for v in values]
