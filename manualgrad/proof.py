"""What every row of the catalogue must satisfy: one function per claim, run by the tests and by `manualgrad demo`.

Each takes a `Row` and raises AssertionError, naming the arguments, where the row does not keep the claim.
`CHECKS` lists them in the order in which they are best read; `QUICK` are those that take milliseconds.
"""

from __future__ import annotations

import copy
import functools
import math
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from manualgrad.catalogue import Row, Sample
from manualgrad.formula import HALF, Formula
from manualgrad.tape import Tape

Function = Callable[..., Any]
Arguments = tuple[list[Any], dict[str, Any]]


# ------------------------------------------------------------------------------------------------------------ helpers


def _leaves(arguments: Arguments) -> list[Tensor]:
    """The tensors among the arguments that require a gradient."""
    args, keywords = arguments
    flat = [a for v in (*args, *keywords.values()) for a in (v if isinstance(v, (list, tuple)) else (v,))]
    return [a for a in flat if isinstance(a, Tensor) and a.requires_grad]


def _outputs(result: Any) -> list[Tensor]:
    """The differentiable tensors of a result."""
    results = result if isinstance(result, (list, tuple)) else (result,)
    return [r for r in results if isinstance(r, Tensor) and r.is_floating_point()]


def _call(function: Function, arguments: Arguments) -> list[Tensor]:
    args, keywords = arguments
    torch.manual_seed(0)  # formulas of chance draw what their twins draw
    with warnings.catch_warnings():  # the twin's warnings about broadcasting are ours too, and tested elsewhere
        warnings.simplefilter("ignore")
        return _outputs(function(*args, **keywords))


def _random_like(tensors: list[Tensor], seed: int, dtype: torch.dtype | None = None) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(t.shape, generator=generator, dtype=torch.float64).to(dtype or t.dtype) for t in tensors]


def _gradients(function: Function, arguments: Arguments, seed: int = 1) -> tuple[list[Tensor], list[Tensor | None]]:
    """Outputs, and the gradients of a random upstream gradient with respect to every leaf."""
    outputs, leaves = _call(function, arguments), _leaves(arguments)
    flowing = [o for o in outputs if o.requires_grad]
    if not flowing:
        return outputs, [None] * len(leaves)
    dys = _random_like(flowing, seed)
    return outputs, list(torch.autograd.grad(flowing, leaves, dys, allow_unused=True))


def _same(ours: Tensor | None, theirs: Tensor | None, what: str, rtol: float = 1e-11, atol: float = 1e-12) -> None:
    if ours is None or theirs is None:
        given = ours if theirs is None else theirs
        assert ours is theirs or (given is not None and not given.any()), f"{what}: {ours} for {theirs}"
        return
    assert ours.shape == theirs.shape, f"{what}: shape {tuple(ours.shape)} for {tuple(theirs.shape)}"
    assert ours.dtype == theirs.dtype, f"{what}: {ours.dtype} for {theirs.dtype}"
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol, equal_nan=True, msg=lambda m: f"{what}: {m}")


def _each(samples: tuple[Sample, ...], row: Row) -> Iterator[tuple[str, Sample]]:
    for number, s in enumerate(samples):
        yield f"{row.name}, sample {number}", s


# ------------------------------------------------------------------------------------------------------------- checks


class _Watch(TorchDispatchMode):
    """Names of the kernels that ran."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


def ours(row: Row) -> None:
    """The backward that runs is the formula's, and it calls none of torch's backward kernels."""
    for what, s in _each(row.samples, row):
        arguments = s.draw(seed=row.seed)
        outputs = [o for o in _call(row.function, arguments) if o.requires_grad]
        node = outputs[0].grad_fn
        assert _reaches(node, row.formula), f"{what}: the graph has no {row.formula.__name__}"
        with _Watch() as watch:
            torch.autograd.grad(outputs, _leaves(arguments), _random_like(outputs, 1), allow_unused=True)
        theirs = [n for n in watch.names if "_backward" in n]
        assert not theirs, f"{what}: the backward pass calls torch's {theirs}"


def _reaches(node: Any, formula: type[Formula]) -> bool:
    """Whether `formula`'s backward is in the graph, and nothing but formulas, leaves and views are."""
    seen, queue, found = set(), [node], False
    while queue:
        n = queue.pop()
        if n is None or n in seen:
            continue
        seen.add(n)
        forward_class = getattr(n, "_forward_cls", None)
        assert forward_class is not None or "AccumulateGrad" in type(n).__name__, f"{type(n).__name__} is torch's own"
        found |= forward_class is not None and issubclass(forward_class, formula)
        queue += [parent for parent, _ in n.next_functions]
    return found


def equal_to_torch(row: Row) -> None:
    """Values, and the gradient of every input that torch differentiates, are torch's in float64."""
    for what, s in _each(row.samples, row):
        arguments = s.draw(seed=row.seed)
        y, dx = _gradients(row.function, arguments)
        y_torch, dx_torch = _gradients(row.truth, arguments)
        for a, b, c in zip(y, y_torch, _call(row.twin, arguments), strict=True):
            _same(a, b, f"{what}, value")
            _same(a, c, f"{what}, value")
            assert a.requires_grad == b.requires_grad, f"{what}: requires_grad {a.requires_grad} for {b.requires_grad}"
        for k, (g, g_torch) in enumerate(zip(dx, dx_torch, strict=True)):
            _same(g, g_torch, f"{what}, gradient {k}")


def subsets(row: Row) -> None:
    """The gradients are the same when only one of the inputs requires one."""
    for what, s in _each(row.samples[:4], row):
        count = len(_leaves(s.draw(seed=row.seed)))
        for alone in range(count if count > 1 else 0):
            arguments = s.draw(seed=row.seed)
            for k, leaf in enumerate(_leaves(arguments)):
                leaf.requires_grad_(k == alone)
            _same(
                _gradients(row.function, arguments)[1][0],
                _gradients(row.truth, arguments)[1][0],
                f"{what}, only {alone}",
            )


def double_backward(row: Row) -> None:
    """The gradient of the gradient is torch's in float64, with respect to the inputs and to the upstream gradient."""
    for what, s in _each(row.samples, row):
        results = [_second(f, s.draw(seed=row.seed)) for f in (row.function, row.truth)]
        for k, (a, b) in enumerate(zip(*results, strict=True)):
            _same(a, b, f"{what}, second derivative {k}", rtol=1e-9, atol=1e-11)


def _second(function: Function, arguments: Arguments) -> list[Tensor | None]:
    outputs, leaves = [o for o in _call(function, arguments) if o.requires_grad], _leaves(arguments)
    dys = [d.requires_grad_() for d in _random_like(outputs, 1)]
    dxs = torch.autograd.grad(outputs, leaves, dys, create_graph=True, allow_unused=True)
    flowing = [d for d in dxs if d is not None and d.requires_grad]
    if not flowing:
        return [None] * (len(leaves) + len(dys))
    seconds = torch.autograd.grad(flowing, [*leaves, *dys], _random_like(flowing, 2), allow_unused=True)
    return list(seconds)


def gradcheck(row: Row) -> None:
    """torch's gradcheck with forward-mode AD, batched and undefined gradients; gradgradcheck of the typical sample."""
    for s in row.samples[:3]:
        args, keywords = s.draw(seed=row.seed)
        if not any(leaf.numel() for leaf in _leaves((args, keywords))):
            continue

        def f(*leaves: Tensor, arguments: Arguments = (args, keywords)) -> Any:
            return tuple(_call(row.function, _with_leaves(arguments, leaves)))

        leaves = _leaves((args, keywords))
        is_view = any(o._is_view() for o in f(*leaves))
        by_chance = _by_chance(row.function, (args, keywords))
        batched = not is_view and not by_chance  # the old vmap of gradcheck knows no tangents of views and no chance
        if not row.surrogate:  # whose gradient is not that of its values
            torch.autograd.gradcheck(
                f, leaves, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=batched
            )
        if s is row.samples[0]:  # the second derivatives of all of them are compared in `double_backward`
            torch.autograd.gradgradcheck(f, leaves, check_fwd_over_rev=_is_smooth(row, s))


def _by_chance(function: Function, arguments: Arguments) -> bool:
    """Whether `function` draws random numbers."""
    _call(function, arguments)
    after = torch.get_rng_state()
    torch.manual_seed(0)
    return not torch.equal(torch.get_rng_state(), after)


def _is_smooth(row: Row, s: Sample) -> bool:
    """Whether the gradient depends on an input at all; forward over reverse refuses one that does not."""
    return any(second is not None for second in _second(row.function, s.draw(seed=row.seed))[:-1])


def _with_leaves(arguments: Arguments, leaves: tuple[Tensor, ...] | list[Tensor]) -> Arguments:
    """`arguments` with `leaves` in the place of those that require a gradient."""
    args, keywords = arguments
    rest = iter(leaves)

    def swap(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(swap(v) for v in value)
        return next(rest) if isinstance(value, Tensor) and value.requires_grad else value

    return [swap(a) for a in args], {k: swap(v) for k, v in keywords.items()}


def transforms(row: Row) -> None:
    """torch.func: vmap, grad, jacrev, jacfwd and hessian give what they give for torch's function."""
    s = row.samples[0]
    arguments = s.draw(seed=row.seed)
    leaves = [leaf.detach() for leaf in _leaves(arguments)]
    everything = tuple(range(len(leaves)))
    batch = [torch.stack([leaf, leaf * 0.5 + 0.1]) for leaf in leaves]

    def scalar(function: Function) -> Function:
        def f(*values: Tensor) -> Tensor:
            outputs = _call(function, _with_leaves(arguments, values))
            return torch.stack([(o * (torch.arange(o.numel()) + 1).cos().view(o.shape)).sum() for o in outputs]).sum()

        return f

    def vector(function: Function) -> Function:
        return lambda *values: tuple(_call(function, _with_leaves(arguments, values)))

    vmap = functools.partial(torch.func.vmap, randomness="different")  # for formulas of chance
    jacfwd = functools.partial(torch.func.jacfwd, argnums=everything, randomness="same")
    jacrev = functools.partial(torch.func.jacrev, argnums=everything)
    transforms: dict[str, tuple[Function, Function, list[Tensor]]] = {
        "vmap": (vmap, vector, batch),
        "grad": (lambda f: torch.func.grad(f, everything), scalar, leaves),
        "vmap(grad)": (lambda f: vmap(torch.func.grad(f, everything)), scalar, batch),
        "grad(vmap)": (lambda f: torch.func.grad(lambda *v: vmap(f)(*v).sum(), everything), scalar, batch),
        "jacrev": (jacrev, vector, leaves),
        "jacfwd": (jacfwd, vector, leaves),
        "hessian": (lambda f: jacfwd(jacrev(f)), scalar, leaves),
    }
    for name, (transform, view, values) in transforms.items():
        with warnings.catch_warnings():  # torch warns of kernels that it batches slowly
            warnings.filterwarnings("ignore", "There is a performance drop")
            result = torch.utils._pytree.tree_leaves(transform(view(row.function))(*values))
            expected = torch.utils._pytree.tree_leaves(transform(view(row.truth))(*values))
        for a, b in zip(result, expected, strict=True):
            _same(a, b, f"{row.name}, {name}", rtol=1e-9, atol=1e-11)


def non_contiguous(row: Row) -> None:
    """Inputs and upstream gradients with strange strides change nothing."""
    for what, s in _each(row.samples[:4], row):
        plain = s.draw(seed=row.seed)
        strided = _with_leaves(
            s.draw(seed=row.seed), [_strided(leaf.detach()).requires_grad_() for leaf in _leaves(plain)]
        )
        if _by_chance(row.function, plain):  # torch draws in the order of the elements in memory, and so do we
            y, dx = _gradients(row.truth, strided)
        else:
            y, dx = _gradients(row.function, plain)
        outputs, leaves = _call(row.function, strided), _leaves(strided)
        flowing = [o for o in outputs if o.requires_grad]
        dys = [_strided(d) for d in _random_like(flowing, 1)]
        for a, b in zip(outputs, y, strict=True):
            _same(a, b, f"{what}, value")
        for g, expected in zip(torch.autograd.grad(flowing, leaves, dys, allow_unused=True), dx, strict=True):
            _same(g, expected, f"{what}, gradient")


def _strided(tensor: Tensor) -> Tensor:
    """The same values at every other place of a larger memory, the dimensions stored in reverse order."""
    dims = tuple(reversed(range(tensor.dim())))
    memory = torch.full((*reversed(tensor.shape), 2), math.nan, dtype=tensor.dtype)
    memory[..., 0] = tensor.permute(dims)
    return memory[..., 0].permute(dims)


def low_precision(row: Row) -> None:
    """In bfloat16 and float16 the error of values and gradients is at most 1.5 times torch's."""
    for dtype in sorted(HALF, key=str):
        for what, s in _each(row.samples[:2], row):
            errors, scales = [[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0]  # of squares: torch's, ours; values, gradients
            for seed in range(20):
                try:
                    rounded = [_in_dtype(f, s, dtype, row.seed + seed) for f in (row.twin, row.function)]
                except RuntimeError as error:
                    if "not implemented for" in str(error):  # torch has no kernel for this dtype: nothing to compare
                        break
                    raise
                truth = _in_dtype(row.truth, s, dtype, row.seed + seed, exact=True)
                for k in range(2):
                    scales[k] += sum(float(t.square().sum()) for t in truth[k])
                    for total, result in zip(errors, rounded, strict=True):
                        pairs = zip(result[k], truth[k], strict=True)
                        total[k] += sum(float((r.double() - t).square().sum()) for r, t in pairs)
                if seed >= 4 and all(mine <= torchs for torchs, mine in zip(*errors, strict=True)):
                    break  # no worse than torch so far: only a formula that is needs the other draws
            for k, part in enumerate(("values", "gradients")):
                torchs, mine = (math.sqrt(e[k]) for e in errors)
                limit = 1.5 * torchs + torch.finfo(dtype).eps / 8 * math.sqrt(scales[k])
                assert mine <= limit, f"{what}, {dtype}: error of the {part} {mine:.3g}, torch's {torchs:.3g}"


def _in_dtype(function: Function, s: Sample, dtype: torch.dtype, seed: int, exact: bool = False) -> list[list[Tensor]]:
    """Values and gradients computed in `dtype`, or exactly (in float64) from the same rounded arguments."""
    args, keywords = s.draw(dtype, seed)
    if exact:
        leaves = [leaf.detach().double().requires_grad_() for leaf in _leaves((args, keywords))]
        args, keywords = _with_leaves((args, keywords), leaves)
        args = [a.double() if isinstance(a, Tensor) and a.dtype == dtype else a for a in args]
        keywords = {k: v.double() if isinstance(v, Tensor) and v.dtype == dtype else v for k, v in keywords.items()}
    outputs = _call(function, (args, keywords))
    flowing = [o for o in outputs if o.requires_grad]
    dys = [d.to(o.dtype) for o, d in zip(flowing, _random_like(flowing, seed, dtype), strict=True)]
    dxs = torch.autograd.grad(flowing, _leaves((args, keywords)), dys, allow_unused=True)
    return [[o.detach() for o in outputs], [d for d in dxs if d is not None]]


def extremes(row: Row) -> None:
    """Large and small arguments give what torch gives, finite wherever torch is, in float64 and float32."""
    for dtype in (torch.float64, torch.float32):
        for what, s in _each(row.extremes, row):
            results = [_gradients(f, s.draw(dtype, row.seed)) for f in (row.function, row.truth)]
            for a, b in zip((*results[0][0], *results[0][1]), (*results[1][0], *results[1][1]), strict=True):
                assert (a is None) == (b is None), f"{what}: {a} for {b}"
                if a is not None and b is not None:
                    finite = torch.isfinite(b)
                    assert torch.isfinite(a)[finite].all(), f"{what}, {dtype}: {a} where torch has {b}"
                    _same(a[finite], b[finite], what, rtol=1e-5, atol=1e-6)


def kinks(row: Row) -> None:
    """Where the derivative does not exist, our convention is torch's."""
    for what, s in _each(row.kinks, row):
        arguments = s.draw(seed=row.seed)
        for a, b in zip(_gradients(row.function, arguments)[1], _gradients(row.truth, arguments)[1], strict=True):
            _same(a, b, f"{what}, at a kink")


def bytes_saved(row: Row) -> None:
    """The bytes kept for the backward pass are at most torch's."""
    for what, s in _each(row.samples, row):
        mine, torchs = (saved_bytes(f, s.draw(torch.float32, row.seed)) for f in (row.function, row.twin))
        assert mine <= torchs, f"{what}: {mine} bytes, torch {torchs}"


def saved_bytes(function: Function, arguments: Arguments) -> int:
    """Bytes of the storages that autograd keeps alive for the backward pass, each counted once."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        alive.append(tensor)
        return tensor

    alive: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        outputs = _call(function, arguments)
    del outputs
    return sum(kept.values())


def autocast(row: Row) -> None:
    """Under torch.autocast: the same dtypes as torch's function, and the gradients arrive in the inputs' dtype."""
    for what, s in _each(row.samples[:2], row):
        results: list[Any] = []
        for f in (row.function, row.twin, row.truth):
            arguments = s.draw(torch.float32, row.seed)
            try:
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    outputs = _call(f, arguments)
            except RuntimeError as error:
                results.append(type(error))
                continue
            flowing = [o for o in outputs if o.requires_grad]
            dxs = torch.autograd.grad(flowing, _leaves(arguments), _random_like(flowing, 1), allow_unused=True)
            results.append([*outputs, *(d for d in dxs if d is not None)])
        if isinstance(results[1], type):
            continue
        for a, b, c in zip(*results, strict=True):
            assert a.dtype == b.dtype, f"{what}: {a.dtype} for {b.dtype}"
            torch.testing.assert_close(a.detach(), c.detach().to(a.dtype), rtol=0.1, atol=0.1, equal_nan=True)


def compiled(row: Row) -> None:
    """torch.compile in one graph, of the function and of its torch.func.grad: same values and gradients."""
    for what, s in _each(row.samples[:1], row):
        torch._dynamo.reset()
        args, keywords = s.draw(seed=row.seed)
        if not any(leaf.numel() for leaf in _leaves((args, keywords))):
            continue

        def scalar(leaves: list[Tensor], arguments: Any = (args, keywords)) -> Tensor:
            values, named = _with_leaves(arguments, leaves)
            outputs = _outputs(row.function(*values, **named))
            total = outputs[0].square().sum()
            for o in outputs[1:]:
                total = total + o.square().sum()
            return total

        leaves = _leaves((args, keywords))
        with warnings.catch_warnings():  # the function's own, and torch's where it compiles a transform
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            expected = scalar(leaves)
            torch.manual_seed(0)
            fast = torch.compile(scalar, fullgraph=True, backend="aot_eager")(leaves)
            torch.manual_seed(0)
            inside = torch.compile(torch.func.grad(scalar), fullgraph=True, backend="aot_eager")(leaves)
        _same(fast.detach(), expected.detach(), what)
        truth = torch.autograd.grad(expected, leaves, allow_unused=True)
        for a, b in zip(torch.autograd.grad(fast, leaves, allow_unused=True), truth, strict=True):
            _same(a, b, f"{what}, compiled", rtol=1e-9, atol=1e-11)
        for a, b in zip(inside, truth, strict=True):
            _same(a.detach(), b, f"{what}, compile(func.grad)", rtol=1e-9, atol=1e-11)


def on_the_tape(row: Row) -> None:
    """The tape gives the gradients of autograd, whether our function is called or torch's."""
    for what, s in _each((*row.samples, *row.kinks), row):
        expected = _gradients(row.function, s.draw(seed=row.seed))[1]
        for function in (row.function,) if row.surrogate else (row.function, row.twin):
            arguments = s.draw(seed=row.seed)
            with Tape() as tape:
                outputs = [o for o in _call(function, arguments) if tape.tracks(o)]
            for k, (output, dy) in enumerate(zip(outputs, _random_like(outputs, 1), strict=True)):
                tape.backward(output, dy, retain=k + 1 < len(outputs))
            for leaf, b in zip(_leaves(arguments), expected, strict=True):
                _same(
                    leaf.grad,
                    b,
                    f"{what}, {getattr(function, '__name__', function)} on the tape",
                    rtol=1e-12,
                    atol=1e-13,
                )


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
            wanted = [*_leaves(arguments), *m.parameters()]
            if d.before is not None:
                arguments[0][0] = d.before(arguments[0][0])
            outputs = [o for o in _call(m, arguments) if o.requires_grad]
            dxs = torch.autograd.grad(outputs, wanted, _random_like(outputs, 1), allow_unused=True)
            results.append([*outputs, *dxs])
        tolerance = 1e-11 if row.reference is None else 1e-6  # with a reference, torch's own derivative may be inexact
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                _same(a, b, what, rtol=tolerance)
        assert _reaches(results[0][0].grad_fn, row.formula), f"{what}: computed by torch"


def _detached(values: list[Any]) -> list[Any]:
    return [v.detach() if isinstance(v, Tensor) else v for v in values]


def exported(row: Row) -> None:
    """torch.export takes the module, and the program gives the same values."""
    for d in row.modules[:1]:
        mine = d.module(*d.arguments, **d.keywords).eval()
        inputs = tuple(_detached(Sample(d.inputs).draw(torch.float32, row.seed)[0]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(mine, inputs)
            for a, b in zip(_outputs(program.module()(*inputs)), _outputs(mine(*inputs)), strict=True):
                _same(a.detach(), b.detach(), f"{row.name}, exported", rtol=1e-6, atol=1e-6)


QUICK: tuple[Callable[[Row], None], ...] = (
    ours,
    equal_to_torch,
    subsets,
    double_backward,
    low_precision,
    bytes_saved,
    kinks,
    extremes,
    on_the_tape,
    module,
)
CHECKS: tuple[Callable[[Row], None], ...] = (
    *QUICK,
    gradcheck,
    transforms,
    non_contiguous,
    autocast,
    compiled,
    exported,
)
