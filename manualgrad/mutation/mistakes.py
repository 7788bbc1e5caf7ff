"""The mistakes: what a tired person could have written in the place of a node of the syntax tree.

A rule gets the node, as a `Site`, and yields kinds of mistakes with what they put in its place.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Site:
    """A node and where it hangs: `getattr(parent, field)` is the node, or a list with it at `index`."""

    node: ast.AST
    parent: ast.AST
    field: str
    index: int | None
    statement: ast.stmt
    upstream: tuple[str, ...]  # the names of the gradients that come in
    gradients: tuple[str, ...]  # the names that are returned

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node

    def is_upstream(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id in self.upstream


Change = tuple[str, ast.AST]


def mistakes(site: Site) -> Iterator[Change]:
    """All mistakes that can be made at a node."""
    return itertools.chain.from_iterable(rule(site) for rule in _RULES)


def _gradients(site: Site) -> Iterator[Change]:
    """What is handed back: negated, doubled, cut off, left out, exchanged. A name is changed where it is assigned."""
    node = site.node
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in site.gradients:
        for kind, value in _wrapped(node.value):
            yield kind, ast.Assign(node.targets, value)
    if not isinstance(node, ast.Return) or node.value is None:
        return
    parts = elements(node.value)
    several = isinstance(node.value, ast.Tuple)

    def returned(changed: list[ast.expr]) -> ast.Return:
        return ast.Return(ast.Tuple(changed, ast.Load()) if several else changed[0])

    for k, e in enumerate(parts):
        if _is_none(e) or isinstance(e, ast.Starred):
            continue
        if not isinstance(e, ast.Name) or site.is_upstream(e):
            for kind, value in _wrapped(e):
                yield kind, returned([*parts[:k], value, *parts[k + 1 :]])
        if site.gradients or site.upstream:  # a helper's result is no gradient by itself
            yield "gradient left out", returned([*parts[:k], ast.Constant(None), *parts[k + 1 :]])
    for k, (a, b) in enumerate(itertools.pairwise(parts)):
        if not _is_none(a) and not _is_none(b) and not isinstance(a, ast.Starred) and not isinstance(b, ast.Starred):
            yield "gradients swapped", returned([*parts[:k], b, a, *parts[k + 2 :]])


def _wrapped(e: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(e, ast.IfExp):  # dy @ w if ctx.needs_input_grad[0] else None
        if isinstance(e.body, (ast.Constant, ast.Name)) and not isinstance(e.orelse, (ast.Constant, ast.Name)):
            changes = ((kind, ast.IfExp(e.test, e.body, value)) for kind, value in _wrapped(e.orelse))
        else:
            changes = ((kind, ast.IfExp(e.test, value, e.orelse)) for kind, value in _wrapped(e.body))
        yield from changes
    elif not isinstance(e, (ast.Constant, ast.Tuple, ast.List, ast.Dict)) and not _makes_a_tuple(e):
        yield "wrong sign", _negated(e)
        yield "wrong factor", ast.BinOp(ast.Constant(2), ast.Mult(), e)
        yield "detached", _method(e, "detach")


def _makes_a_tuple(e: ast.expr) -> bool:
    return isinstance(e, ast.Call) and isinstance(e.func, ast.Name) and e.func.id in ("tuple", "list")


def _upstream(site: Site) -> Iterator[Change]:
    """The gradient that comes in: ignored, or overwritten."""
    node = site.node
    begins = isinstance(site.parent, ast.FunctionDef) and site.index == bool(ast.get_docstring(site.parent))
    if isinstance(node, ast.stmt) and begins:
        for name in site.upstream:
            first = ast.parse(f"{name} = {name}.new_ones({name}.shape)").body
            yield "upstream ignored", ast.If(ast.Constant(True), [*first, node], [])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and not _in_chain(site, ast.Mult):
        first_factor, *others = _factors(node)
        if site.is_upstream(first_factor):
            yield "upstream overwritten", _method(first_factor, "mul_", _product(others))


def _products(site: Site) -> Iterator[Change]:
    node = site.node
    if not isinstance(node, ast.BinOp):
        return
    if isinstance(node.op, ast.Mult) and not _in_chain(site, ast.Mult):
        factors = _factors(node)
        for k, factor in enumerate(factors):
            if not site.is_upstream(factor) and len(factors) > 1:
                yield "factor dropped", _product([*factors[:k], *factors[k + 1 :]])
    elif isinstance(node.op, ast.Div):
        yield "factor dropped", node.left
        yield "factor inverted", ast.BinOp(node.left, ast.Mult(), node.right)
    elif isinstance(node.op, ast.Pow):
        n = node.right
        if isinstance(n, ast.Constant) and isinstance(n.value, (int, float)) and n.value != 2:
            yield "wrong exponent", ast.BinOp(node.left, ast.Pow(), ast.Constant(n.value - 1))
        else:
            yield "wrong exponent", node.left
    elif isinstance(node.op, ast.MatMult):
        yield "operands swapped", ast.BinOp(node.right, ast.MatMult(), node.left)


def _sums(site: Site) -> Iterator[Change]:
    node = site.node
    if isinstance(node, ast.AugAssign):
        kind = {ast.Add: "term dropped", ast.Sub: "term dropped", ast.Mult: "factor dropped", ast.Div: "factor dropped"}
        if type(node.op) in kind:
            yield kind[type(node.op)], ast.Pass()
        if isinstance(node.op, (ast.Add, ast.Sub)):
            other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            yield "wrong sign", ast.AugAssign(node.target, other, node.value)
    if not isinstance(node, ast.BinOp) or _in_chain(site, ast.Add, ast.Sub):
        return
    terms = _terms(node)
    if len(terms) < 2 or any(isinstance(t, (ast.Tuple, ast.List, ast.JoinedStr)) for _, t in terms):
        return
    for k, (positive, term) in enumerate(terms):
        yield "term dropped", _sum([*terms[:k], *terms[k + 1 :]])
        if k:
            yield "wrong sign", _sum([*terms[:k], (not positive, term), *terms[k + 1 :]])


def _signs(site: Site) -> Iterator[Change]:
    node = site.node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        parent = site.parent
        factor = isinstance(parent, ast.BinOp) or (
            isinstance(parent, ast.keyword) and parent.arg in ("value", "alpha", "beta")
        )
        if factor or not isinstance(node.operand, ast.Constant):  # dim=-1 is no sign
            yield "wrong sign", node.operand


_REDUCTIONS = ("sum", "mean", "sum_to_size", "nansum")
_BY_AXIS = (
    *_REDUCTIONS,
    "softmax",
    "log_softmax",
    "cumsum",
    "flip",
    "unsqueeze",
    "squeeze",
    "amax",
    "amin",
    "logsumexp",
)
_ELEMENTWISE = (
    "exp",
    "log",
    "abs",
    "sign",
    "sqrt",
    "rsqrt",
    "square",
    "reciprocal",
    "clamp",
    "tanh",
    "sigmoid",
    "log1p",
)
_TRANSPOSES = ("t", "transpose", "swapaxes", "permute", "adjoint")
_FOR_ANOTHER = {"sin": "cos", "cos": "sin", "sum": "mean", "mean": "sum", "maximum": "minimum", "minimum": "maximum"}


def _calls(site: Site) -> Iterator[Change]:
    """Methods and functions: left out, another in their place, along another axis, with swapped arguments."""
    node = site.node
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT", "H", "mH"):
        yield "transpose dropped", node.value
    if not isinstance(node, ast.Call):
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    of_module = not isinstance(node.func, ast.Attribute) or getattr(node.func.value, "id", "") in ("torch", "F", "func")
    operands = (
        list(node.args) if of_module or not isinstance(node.func, ast.Attribute) else [node.func.value, *node.args]
    )
    if not operands:
        return
    if name in _TRANSPOSES:
        yield "transpose dropped", operands[0]
    if name in _REDUCTIONS or any(word in name.lower() for word in ("unbroadcast", "sum_to", "reduce_to")):
        yield "sum dropped", operands[0]
    if name in _ELEMENTWISE:
        yield "function left out", operands[0]
    if name in _FOR_ANOTHER:
        yield "wrong function", _renamed(node, _FOR_ANOTHER[name])
    if name in ("mm", "matmul", "bmm") and len(operands) == 2:
        yield "operands swapped", _with_operands(node, [operands[1], operands[0]])
    if name == "where" and len(operands) == 3:
        first, second, third = operands if of_module else (operands[1], operands[0], operands[2])
        if of_module:
            yield "branches swapped", _with_operands(node, [first, third, second])
        else:
            yield "branches swapped", _with_operands(node, [third, first, second])
    if name == "addcmul" and len(operands) == 3:
        yield "term dropped", operands[0]
    for k, argument in enumerate(operands[1:], 1):
        if k == 1 and name in _BY_AXIS and name != "sum_to_size":
            for axis in _other_axes(argument):
                yield "wrong axis", _with_operands(node, [*operands[:k], axis, *operands[k + 1 :]])
    for k, keyword in enumerate(node.keywords):
        others: list[tuple[str, ast.expr]] = []
        if keyword.arg in ("dim", "axis", "dims"):
            others = [("wrong axis", axis) for axis in _other_axes(keyword.value)]
        elif keyword.arg in ("keepdim", "keepdims") and isinstance(keyword.value, ast.Constant):
            others = [("dimension not kept", ast.Constant(not keyword.value.value))]
        for kind, value in others:
            keywords = [*node.keywords[:k], ast.keyword(keyword.arg, value), *node.keywords[k + 1 :]]
            yield kind, ast.Call(node.func, node.args, keywords)


def _other_axes(node: ast.expr) -> Iterator[ast.expr]:
    try:
        axes = ast.literal_eval(node)
    except (ValueError, TypeError):
        return
    if isinstance(axes, int) and not isinstance(axes, bool):
        yield ast.Constant(0) if axes else ast.UnaryOp(ast.USub(), ast.Constant(1))
    elif isinstance(axes, (tuple, list)) and len(axes) > 1:
        yield ast.parse(repr(tuple(axes[:-1])), mode="eval").body


_OPPOSITE: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Gt: ("<", ">="),
    ast.GtE: ("<=", ">"),
    ast.Lt: (">", "<="),
    ast.LtE: (">=", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
}


def _conditions(site: Site) -> Iterator[Change]:
    node = site.node
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in _OPPOSITE.get(type(node.ops[0]), ()):
            op = ast.parse(f"a {other} b", mode="eval").body.ops  # type: ignore[attr-defined]
            yield "wrong comparison", ast.Compare(node.left, op, node.comparators)
    is_none = isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Is, ast.IsNot))
    plain = isinstance(node, (ast.Name, ast.Attribute, ast.Subscript))
    if site.field == "test" and isinstance(node, ast.expr) and (plain or is_none):
        yield "condition negated", ast.UnaryOp(ast.Not(), node)
    if isinstance(node, ast.Subscript) and getattr(node.value, "attr", "") == "needs_input_grad":
        k = getattr(node.slice, "value", None)
        if isinstance(k, int):
            yield "wrong input", ast.Subscript(node.value, ast.Constant(k - 1 if k else 1), node.ctx)


def _saved(site: Site) -> Iterator[Change]:
    node = site.node
    if not isinstance(node, ast.Assign) or len(node.targets) != 1 or not isinstance(node.targets[0], ast.Tuple):
        return
    if getattr(node.value, "attr", "") == "saved_tensors":
        names = node.targets[0].elts
        for k, (a, b) in enumerate(itertools.pairwise(names)):
            if isinstance(a, ast.Name) and isinstance(b, ast.Name):
                target = ast.Tuple([*names[:k], b, a, *names[k + 2 :]], ast.Store())
                yield "saved tensors swapped", ast.Assign([target], node.value)


_RULES: tuple[Callable[[Site], Iterator[Change]], ...] = (
    *(_gradients, _upstream, _products, _sums, _signs, _calls, _conditions, _saved),
)


# --------------------------------------------------------------------------------------------------------- the tree


def elements(value: ast.expr) -> list[ast.expr]:
    return list(value.elts) if isinstance(value, ast.Tuple) else [value]


def _is_none(e: ast.expr) -> bool:
    return isinstance(e, ast.Constant) and e.value is None


def _in_chain(site: Site, *operators: type[ast.operator]) -> bool:
    """Whether this is a part of a longer product or sum, which is dealt with as a whole."""
    return isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, operators)


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _product(factors: list[ast.expr]) -> ast.expr:
    result = factors[0]
    for factor in factors[1:]:
        result = ast.BinOp(result, ast.Mult(), factor)
    return result


def _terms(node: ast.expr, positive: bool = True) -> list[tuple[bool, ast.expr]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        return [*_terms(node.left, positive), *_terms(node.right, positive == isinstance(node.op, ast.Add))]
    return [(positive, node)]


def _sum(terms: list[tuple[bool, ast.expr]]) -> ast.expr:
    positive, result = terms[0]
    result = result if positive else _negated(result)
    for positive, term in terms[1:]:
        result = ast.BinOp(result, ast.Add() if positive else ast.Sub(), term)
    return result


def _negated(e: ast.expr) -> ast.expr:
    return e.operand if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.USub) else ast.UnaryOp(ast.USub(), e)


def _method(e: ast.expr, name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(e, name, ast.Load()), list(arguments), [])


def _renamed(node: ast.Call, name: str) -> ast.Call:
    old: Any = node.func
    new = ast.Name(name, ast.Load()) if isinstance(old, ast.Name) else ast.Attribute(old.value, name, ast.Load())
    return ast.Call(new, node.args, node.keywords)


def _with_operands(node: ast.Call, operands: list[ast.expr]) -> ast.Call:
    """The call with other operands; that of a method has the first before its dot."""
    func = node.func
    if isinstance(func, ast.Attribute) and len(operands) > len(node.args):
        return ast.Call(ast.Attribute(operands[0], func.attr, ast.Load()), operands[1:], node.keywords)
    return ast.Call(func, operands, node.keywords)
