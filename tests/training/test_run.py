"""The folders of runs: numbered, never overwritten, and nothing left of what failed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from manualgrad import training


def test_runs_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = []
    for _ in range(3):
        with training.Run("lesson") as run:
            run.write("a.txt", "a")
            folders.append(run.folder)
    assert [str(f) for f in folders] == ["runs/lesson/1", "runs/lesson/2", "runs/lesson/3"]
    (tmp_path / "runs/lesson/7").mkdir()
    (tmp_path / "runs/lesson/notes").mkdir()
    with training.Run("lesson") as run:
        assert run.folder.name == "8"


def interrupted(folder: Path | None) -> None:
    with training.Run("lesson", folder) as run:
        run.write("a.txt", "a")
        with run.inside("part") as part:
            part.write("b.txt", "b")
        raise KeyboardInterrupt


def test_a_failed_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for folder in (None, Path("deep/er/here"), Path("empty")):
        with pytest.raises(KeyboardInterrupt):
            interrupted(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_no_earlier_run_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("a")
    (tmp_path / "file").write_text("b")
    for folder in ("full", "file", "file/below"):
        with pytest.raises(OSError, match=folder), training.Run("lesson", tmp_path / folder):
            pytest.fail("it was entered")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "file", "full"]
    assert (tmp_path / "full" / "a.txt").read_text() == "a"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with training.Run("lesson", tmp_path / "run") as run:
        run.write("a.txt", "old")

        def fail(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="No space left"):
            run.write("a.txt", "new")
        assert [path.name for path in run.folder.iterdir()] == ["a.txt"]
        assert (run.folder / "a.txt").read_text() == "old"
