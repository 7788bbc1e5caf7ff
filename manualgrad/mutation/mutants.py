"""The mutants of a file: its code with one mistake made in what a Function's backward does.

Each is one node of the syntax tree replaced; the tree keeps its line numbers, and the file itself is not touched.
"""

from __future__ import annotations

import ast
import marshal
from collections.abc import Iterator
from dataclasses import dataclass

from manualgrad.arguments import Mistake, nearest
from manualgrad.mutation.mistakes import Site, elements, mistakes

RULES = ("backward", "slope")  # what differentiates; `slope` in a manualgrad.formula.Pointwise
RECORDED = "_manualgrad_recorded"
FORWARD = ("forward", "setup_context", "jvp", "vmap")


@dataclass(frozen=True)
class Mutant:
    """One mistake: its kind, the line and how that reads before and after, and the whole file, compiled."""

    kind: str
    line: int
    before: str
    after: str
    code: bytes


def mutants(source: str, file: str, name: str) -> list[Mutant]:
    """Every single mistake in the backward of the class `name`. Raises Mistake if there is no such thing."""
    tree = ast.parse(source, file)
    found: dict[tuple[int, str, str], Mutant] = {}
    for function in differentiating(tree, file, name):
        for site in _sites(function):
            for kind, node in mistakes(site):
                mutant = _made(tree, file, site, kind, node)
                if mutant.before != mutant.after:
                    found.setdefault((mutant.line, mutant.before, mutant.after), mutant)
    return sorted(found.values(), key=lambda m: m.line)


def recording(source: str, file: str, name: str) -> bytes:
    """The code of the file with the class handed to `_manualgrad_recorded`, a builtin where it runs."""
    tree = ast.parse(source, file)
    (found, *_) = (n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name.split(".")[-1])
    found.decorator_list.append(ast.Name(RECORDED, ast.Load()))
    ast.fix_missing_locations(tree)
    return marshal.dumps(compile(tree, file, "exec", dont_inherit=True))


def _made(tree: ast.Module, file: str, site: Site, kind: str, node: ast.AST) -> Mutant:
    before = _line(site.statement)
    ast.copy_location(node, site.node)
    ast.fix_missing_locations(node)
    site.put(node)
    try:
        after = _line(node if node is not site.node and site.node is site.statement else site.statement)
        code = marshal.dumps(compile(tree, file, "exec", dont_inherit=True))
    finally:
        site.put(site.node)
    return Mutant(kind, getattr(site.node, "lineno", site.statement.lineno), before, after, code)


def _line(node: ast.AST) -> str:
    """A statement in one line; of a compound one its head."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Constant):  # two statements in the place of one
        return "; ".join(map(_line, node.body))
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        return f"return {', '.join(map(ast.unparse, node.value.elts))}"
    lines = ast.unparse(node).splitlines()
    return lines[0] if isinstance(node, (ast.If, ast.For, ast.While, ast.With)) else " ".join(map(str.strip, lines))


# ------------------------------------------------------------------------------------------------- what is mutated


def differentiating(tree: ast.Module, file: str, name: str) -> list[ast.FunctionDef]:
    """The backward of a class, its own or that of a base in the same file, and the helpers that only backward calls."""
    classes = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}
    last = name.split(".")[-1]
    able = [c for c in classes if _inherited(classes, c)]
    if last not in classes:
        others = nearest(last, able) or (f" ({', '.join(able)})" if able else "")
        raise Mistake(f"{file} has no class {name} of its own; name a torch.autograd.Function that it defines{others}")
    methods = _inherited(classes, last)
    if not methods:
        shown = f"; its methods: {', '.join(_methods(classes[last]))}" if _methods(classes[last]) else ""
        other = f"; {', '.join(able)} {'has' if len(able) == 1 else 'have'} one" if able else ""
        raise Mistake(f"{name} has no backward in {file}{shown}{other}")
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    own_methods = {f"{owner}.{n}": m for owner in (last, "cls") for n, m in _methods(classes[last]).items()}
    everything = functions | {n: m for n, m in own_methods.items() if m.name not in RULES + FORWARD}
    forward = _reached([m for n, m in _methods(classes[last]).items() if n in FORWARD], everything)
    own = _reached(methods, everything)
    return [*methods, *(f for f in own if f not in forward and f not in methods)]


def _methods(found: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {n.name: n for n in found.body if isinstance(n, ast.FunctionDef)}


def _inherited(classes: dict[str, ast.ClassDef], name: str) -> list[ast.FunctionDef]:
    """The rule of differentiation that a class has, looked for in its bases where it has none itself."""
    todo, seen = [name], set()
    while todo:
        current = todo.pop(0)
        if current in classes and current not in seen:
            seen.add(current)
            methods = _methods(classes[current])
            if any(rule in methods for rule in RULES):
                return [methods[rule] for rule in RULES if rule in methods]
            todo += [b.id for b in classes[current].bases if isinstance(b, ast.Name)]
    return []


def _reached(functions: list[ast.FunctionDef], everything: dict[str, ast.FunctionDef]) -> list[ast.FunctionDef]:
    """The functions of the file that these call, those that they call, and so on."""
    found: list[ast.FunctionDef] = []
    todo = list(functions)
    while todo:
        for node in ast.walk(todo.pop()):
            called = everything.get(ast.unparse(node.func)) if isinstance(node, ast.Call) else None
            if called is not None and called not in found:
                found.append(called)
                todo.append(called)
    return found


def _sites(function: ast.FunctionDef) -> Iterator[Site]:
    """Every node of the body, the statements first; what is raised or asserted is left alone."""
    arguments = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    own = {"backward": arguments[1:], "slope": arguments[:1]}.get(function.name, [])
    returned = [n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value is not None]
    names = tuple(
        e.id for value in returned for e in elements(value) if isinstance(e, ast.Name) and function.name in RULES
    )

    def below(node: ast.AST, statement: ast.stmt | None) -> Iterator[Site]:
        for field, value in ast.iter_fields(node):
            for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
                if not isinstance(child, ast.AST) or isinstance(child, (ast.Raise, ast.Assert, ast.expr_context)):
                    continue
                if field in ("annotation", "returns", "decorator_list", "args") and node is function:
                    continue
                inside = child if isinstance(child, ast.stmt) else statement
                if inside is not None:
                    yield Site(child, node, field, index, inside, tuple(own), names)
                yield from below(child, inside)

    yield from below(function, None)
