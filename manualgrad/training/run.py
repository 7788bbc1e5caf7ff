"""The folder of a run: made before training, filled file by file, and taken away again if the run fails.

config.yaml              the settings: `manualgrad train RECIPE --config` runs it again
run.json                 the recipe and, when it is finished, the result
metrics.csv, .json       what came out, and pictures
checkpoints/best.ckpt    the weights of the best epoch
checkpoints/last.ckpt    while it is not finished: what it is resumed from,
finished/                and those parts of it that are finished
non_finite.pt            what FailOnNonFinite kept of the step that ended it
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from manualgrad.training.files import remove_parts, write_whole

NON_FINITE = "non_finite.pt"
FINISHED = "finished"


class Run:
    """A new folder for the results of a run, as a context: it stays if the block ends well, or holds what is wanted.

    That is what the run can be resumed from, or what says why it ended.

    Without `folder` it is the next free number below `runs/<name>`. An existing folder is taken only if it is empty, so
    no earlier run is overwritten; except to resume it, with `resumed`.

    Raises OSError, on entering, if the folder cannot be made or written to, and FileExistsError if it is not empty.

    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with Run("lesson", Path(parent, "here")) as run:
    ...         run.write("metrics.json", {"accuracy": 0.5})
    ...     sorted(path.name for path in run.folder.iterdir())
    ['metrics.json']
    """

    def __init__(self, name: str, folder: Path | None = None, resumed: bool = False) -> None:
        self.name = name
        self.resumed = resumed
        self.given = folder
        self.folder = folder or Path("runs", name)
        self.is_part = False
        self.made: list[Path] = []  # the folders that were not there before, innermost last

    def __enter__(self) -> Run:
        if self.resumed:
            remove_parts(self.folder)
            return self
        parent = self.folder.parent if self.given else self.folder
        try:
            self._make_all(parent)
            if self.given is None:
                self.folder = self._next_number(parent)
            elif self.folder.is_dir():
                if any(self.folder.iterdir()):
                    raise FileExistsError(f"{self.folder} holds files already; give another folder")
            else:
                self._make(self.folder)
            with tempfile.TemporaryFile(dir=self.folder):  # an empty folder that was there may not be writable
                pass
        except BaseException:
            self._take_away()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None and not self.is_part:  # what is finished of a part is wanted until the whole is
            for folder in self.folder.rglob(FINISHED):
                shutil.rmtree(folder)
        elif error is not None and not self.resumable() and not self.explained():
            self.discard()

    @property
    def last(self) -> Path:
        """The checkpoint from which the run is resumed."""
        return self.folder / "checkpoints" / "last.ckpt"

    def resumable(self) -> bool:
        """Whether work would be lost with the folder: a checkpoint to go on from, or a part that is finished."""
        kept = (any(self.folder.rglob(name)) for name in ("last.ckpt", f"{FINISHED}/*.pt"))
        return any(kept) or any("result" in read_record(p) for p in self.folder.glob("*/"))

    def explained(self) -> bool:
        """Whether a step that ended in an infinity or NaN was kept, to be looked into."""
        return any(self.folder.rglob(NON_FINITE))

    def discard(self) -> None:
        """Take the folder away again, with what is in it; a folder that was there before is left, empty."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._take_away()

    def _make_all(self, folder: Path) -> None:
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        for path in reversed(missing):
            self._make(path, exist_ok=True)

    def _make(self, folder: Path, exist_ok: bool = False) -> None:
        folder.mkdir(exist_ok=exist_ok)
        self.made.append(folder)

    def _next_number(self, parent: Path) -> Path:
        number = max((int(p.name) for p in parent.iterdir() if p.name.isdecimal()), default=0)
        while True:  # another run may take the same number at the same time: mkdir tells
            number += 1
            try:
                self._make(parent / str(number))
            except FileExistsError:
                continue
            return parent / str(number)

    def _take_away(self) -> None:
        for folder in reversed(self.made):
            try:
                folder.rmdir()
            except OSError:  # another run has put something there in the meantime
                return

    def write(self, name: str, content: str | bytes | dict[str, Any]) -> None:
        """Write a file of the run, a dict as JSON: the whole of it or, if that fails, none."""
        if isinstance(content, dict):
            content = json.dumps(content, indent=2) + "\n"
        if isinstance(content, str):
            content = content.encode()
        write_whole(self.folder / name, content)

    def inside(self, name: str) -> Run:
        """A run of its own in a folder of this one; of a run that is resumed, the part that was begun there."""
        part = Run(self.name, self.folder / name, self.resumed and (self.folder / name).is_dir())
        part.is_part = True
        return part


def read_record(folder: Path) -> dict[str, Any]:
    """What a run's `run.json` holds; nothing if it is not there, or not readable."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
