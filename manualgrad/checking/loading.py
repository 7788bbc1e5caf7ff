"""From `path/to/file.py:Name`, `package.module:Name` or `package.module.Name` to the object itself.

`locate` tells what can be told without running anything, so that a wrong name is answered at once; `Place.load` runs
the file as `import` would. Whatever is wrong with either is a `Mistake` of one line.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import symtable
import sys
import tokenize
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from manualgrad.arguments import Mistake, nearest

# A file with one of these may have names that its source does not show.
_HIDING = ("import *", "globals()", "exec(", "__getattr__")


@dataclass(frozen=True)
class Place:
    """Where an object stands: the module's name, its file where there is one, and the object's name in it."""

    module: str
    file: Path | None
    name: str
    folder: Path  # what `import` needs on its path

    @property
    def shown(self) -> str:
        """How messages call the module."""
        return str(self.file) if self.file and self.folder != Path() else self.module

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While the user's code runs: its folder is on the path, and what it prints goes to stderr."""
        path, argv = list(sys.path), list(sys.argv)
        sys.path.insert(0, str(self.folder.absolute()))
        sys.argv[:] = [str(self.file or self.module)]  # a script that reads its arguments gets none of ours
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        finally:
            sys.path[:], sys.argv[:] = path, argv

    def load(self) -> tuple[Any, ModuleType]:
        """The object, and the module that it stands in. Call it inside of `running()`."""
        with self.mistakes_told("on import"):
            module = self._module()
        found: Any = module
        for part in self.name.split("."):
            try:
                found = getattr(found, part)
            except AttributeError:
                known = [n for n in dir(found) if not n.startswith("_")]
                raise Mistake(f"{self.shown} has no name {self.name}{nearest(part, known)}") from None
        return found, module

    def _module(self) -> ModuleType:
        if self.file is None or self.folder == Path() or "." in self.module:
            return importlib.import_module(self.module)
        spec = importlib.util.spec_from_file_location(self.module, self.file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.module] = module  # dataclasses look there
        spec.loader.exec_module(module)
        return module

    @contextlib.contextmanager
    def mistakes_told(self, when: str) -> Iterator[None]:
        """Whatever the user's code raises is told in one line, with its place and without a traceback."""
        try:
            yield
        except Mistake:
            raise
        except SystemExit:
            advice = 'put what is a script under if __name__ == "__main__":'
            raise Mistake(f"{self.shown} ends the program {when}; {advice}") from None
        except Exception as raised:
            said = " ".join(str(raised).split())[:300]
            raise Mistake(f"{_place(raised, self.file)} raises {when}: {type(raised).__name__}: {said}") from None


def locate(given: str) -> Place:
    """Where `given` points to, as far as that can be told without running anything."""
    source, colon, name = given.rpartition(":")
    if not colon:
        source, name = (given, "") if _is_path(given) else _split(given)
    place = _in_file(Path(source), name) if _is_path(source) else _in_module(source, name)
    if place.file is not None and place.file.suffix == ".py":
        _look_up(place)
    return place


def _is_path(source: str) -> bool:
    return source.endswith(".py") or "/" in source or "\\" in source or Path(source).is_file()


def _split(dotted: str) -> tuple[str, str]:
    """`torch.nn.functional.linear` is `linear` in the module `torch.nn.functional`."""
    parts = dotted.split(".")
    for k in range(len(parts) - 1, 0, -1):
        if _spec(".".join(parts[:k])) is not None:
            return ".".join(parts[:k]), ".".join(parts[k:])
    return dotted, ""


def _in_file(file: Path, name: str) -> Place:
    if file.is_dir():
        raise Mistake(f"{file} is a folder; name a file and what is in it: {file / 'file.py'}:Name")
    if not file.is_file():
        folder = file.parent
        if not folder.is_dir():
            raise Mistake(f"there is no folder {folder}, so no file {file}")
        raise Mistake(f"there is no file {file}{nearest(file.name, sorted(p.name for p in folder.glob('*.py')))}")
    if file.suffix != ".py":
        raise Mistake(f"{file} is no Python file; its name does not end in .py")
    parts, folder = [file.stem], file.absolute().parent
    while (folder / "__init__.py").is_file():  # part of a package: relative imports must work
        parts.insert(0, folder.name)
        folder = folder.parent
    module = ".".join(parts)
    if len(parts) == 1 and module in sys.modules:
        module = f"checked {module}"  # a file of one's own may be called as a library is
    return Place(module, file, name, folder)


def _in_module(module: str, name: str) -> Place:
    parts = module.split(".")
    spec = _spec(module) if all(p.isidentifier() for p in parts) else None
    if spec is None:
        missing = next(
            (".".join(parts[: k + 1]) for k in range(len(parts)) if _spec(".".join(parts[: k + 1])) is None), module
        )
        raise Mistake(f"there is no module {missing or repr(module)}; a file ends in .py: path/to/file.py:Name")
    file = Path(spec.origin) if spec.has_location and spec.origin else None
    return Place(module, file, name, Path())


def _spec(module: str) -> ModuleSpec | None:
    """What `import` would find, without importing the packages on the way, as `find_spec` does."""
    path: Any = None
    found: ModuleSpec | None = None
    parts = module.split(".")
    added = str(Path().absolute())
    sys.path.insert(0, added)
    try:
        for k in range(len(parts)):
            full = ".".join(parts[: k + 1])
            specs = (f.find_spec(full, path) for f in sys.meta_path if hasattr(f, "find_spec"))
            found = next((s for s in specs if s is not None), None)
            if found is None or (found.submodule_search_locations is None and k < len(parts) - 1):
                return None
            path = found.submodule_search_locations
    finally:
        sys.path.remove(added)
    return found


def _look_up(place: Place) -> None:
    """Refuse a name that the file does not have, as far as its source tells."""
    assert place.file is not None
    try:
        with tokenize.open(place.file) as file:
            source = file.read()
        table = symtable.symtable(source, str(place.file), "exec")
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise Mistake(f"{place.file}{line}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise Mistake(f"{place.file} cannot be read: {' '.join(str(error).split())}") from None
    bound = [s for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()]
    made = [s.get_name() for s in bound if s.is_namespace() and not s.get_name().startswith("_")]
    if not place.name:
        raise Mistake(f"say what to check: {place.shown}:NAME{_listed(made)}")
    first, names = place.name.split(".")[0], [s.get_name() for s in bound]
    hidden = any(word in source for word in _HIDING) or place.file.name == "__init__.py"
    if first not in names and not hidden:
        near = nearest(first, [n for n in names if not n.startswith("__")])
        raise Mistake(f"{place.shown} has no name {first}{near or _listed(made)}")


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f" ({shown})" if names else ""


def _place(raised: Exception, file: Path | None) -> str:
    """`file.py, line 3`: the last line of the user's own file that was running."""
    frames = [f for f in traceback.extract_tb(raised.__traceback__) if not f.filename.startswith("<frozen")]
    own = [f for f in frames if file is not None and Path(f.filename) == file.absolute()]
    if isinstance(raised, SyntaxError) and raised.filename:
        return f"{raised.filename}, line {raised.lineno}"
    frame = (own or frames)[-1]
    return f"{file if own else frame.filename}, line {frame.lineno}"
