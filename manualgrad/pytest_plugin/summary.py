"""What all gradchecks of a run found: the line at its end, and the file of `--gradcheck-report`."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest


class Summary:
    """Gathers what was checked, in this process or in the workers of pytest-xdist, and says it at the end."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.checks: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.checks += [{"test": report.nodeid, **found} for found in getattr(report, "gradcheck", [])]

    def pytest_sessionfinish(self) -> None:
        if self.path is None:
            return
        wrong = sum(not c["passed"] for c in self.checks)
        checks = sorted(self.checks, key=lambda c: str(c["test"]))  # workers finish in any order
        whole = {"checks": len(checks), "right": len(checks) - wrong, "wrong": wrong, "results": checks}
        partial = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        partial.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
        partial.replace(self.path)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.checks and self.path is None:
            return
        wrong = [c for c in self.checks if not c["passed"]]
        causes = Counter(c["findings"][0]["code"] for c in wrong)
        tests = len({c["test"] for c in self.checks})
        line = f"gradcheck: {len(self.checks)} checks in {tests} tests, {len(wrong)} wrong"
        line += f" ({', '.join(f'{code} {n}' for code, n in causes.most_common())})" if wrong else ""
        line += f"; report in {self.path}" if self.path else ""
        terminalreporter.write_line(line, red=bool(wrong), green=not wrong)
