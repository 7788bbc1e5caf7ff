"""The pytest plugin: the fixture and the marker `gradcheck`, `--gradcheck-report FILE.json`, and a line of summary.

    @pytest.mark.gradcheck((5, 3), (4, 3), dtype=("float64", "bfloat16"), requires_grad="each")
    def test_linear(gradcheck):
        gradcheck(linear)

The fixture calls `manualgrad.check` and fails with one short message. The marker says on which tensors: the shapes of
standard normal ones, or tensors themselves; `gradcheck.inputs` holds them. Each of its options is one value, or several
that make as many tests:

    dtype           of the floating-point inputs: "float64", "float32", "bfloat16", "float16"
    contiguous      False hands over inputs that are not contiguous in memory
    broadcast       True tries every input with a dimension of 1, and without its first dimension, in turn
    requires_grad   which inputs ask for a gradient: "all", "each" one by itself, or all "subsets"
    seed            of the normal numbers

Nothing is imported here but pytest: a run that does not use the fixture does not import torch.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from manualgrad.pytest_plugin.marker import Case, cases, mistaken
from manualgrad.pytest_plugin.summary import Summary

if TYPE_CHECKING:
    from manualgrad.checking.report import Report


class GradCheck:
    """The fixture. `inputs` are those of the marker; each call is one check."""

    def __init__(self, item: pytest.Item, case: Case | None) -> None:
        self.inputs: tuple[Any, ...] = () if case is None else case.inputs()
        self.called = False
        self._item = item

    def __call__(self, fn: Any, *inputs: Any, **options: Any) -> Report:
        """`manualgrad.check(fn, *inputs, **options)`, on the marker's inputs where none is given.

        Returns the report. Raises GradientError, an AssertionError, where the gradient is wrong; what is only a warning
        becomes a warning of pytest.
        """
        __tracebackhide__ = True
        self.called = True
        from manualgrad.checking import CheckError, check

        if not inputs and not self.inputs:
            raise CheckError("gradcheck needs inputs: gradcheck(fn, x), or @pytest.mark.gradcheck((5, 3)) on the test")
        try:
            report = check(fn, *(inputs or self.inputs), **options)
        except CheckError as mistake:
            raise CheckError(str(mistake)) from None  # without the frames in between
        self._item.stash.setdefault(_REPORTS, []).append(report.to_dict())
        report.raise_if_failed()
        for finding in report.findings:
            if finding.severity == "warning":
                self._item.warn(pytest.PytestWarning(f"{report.title}: [{finding.code}] {finding.message}"))
        return report


_REPORTS = pytest.StashKey[list[dict[str, Any]]]()


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> GradCheck:
    """Is this gradient right? `gradcheck(fn, *inputs)` fails with what is wrong, in one sentence (manualgrad)."""
    case: Case | None = getattr(request, "param", None)
    marker = request.node.get_closest_marker("gradcheck")
    if case is None and marker is not None:
        ((_, case),) = cases(request.node.nodeid, marker)
    return GradCheck(request.node, case)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    result = yield
    fixture = pyfuncitem.funcargs.get("gradcheck")
    if isinstance(fixture, GradCheck) and not fixture.called:
        pytest.fail("the test takes the fixture gradcheck and checks nothing: call gradcheck(fn)", pytrace=False)
    return result


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    test = metafunc.definition
    marker = test.get_closest_marker("gradcheck")
    if marker is None:
        return
    if "gradcheck" not in metafunc.fixturenames:
        if marker in test.own_markers:
            mistaken(test.nodeid, "is marked gradcheck but does not take the fixture gradcheck as an argument")
        return
    if sum(m.name == "gradcheck" for m in test.own_markers) > 1:
        mistaken(test.nodeid, "is marked gradcheck twice; one marker says all")
    made = list(cases(test.nodeid, marker))
    if len(made) > 1:
        metafunc.parametrize("gradcheck", [c for _, c in made], ids=[name for name, _ in made], indirect=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gradcheck", "gradients (manualgrad)")
    group.addoption("--gradcheck-report", metavar="FILE.json", help="write what every gradcheck found to this file")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "gradcheck(*shapes, dtype, contiguous, broadcast, requires_grad, seed): "
        "inputs of the fixture gradcheck; several values of an option make several tests",
    )
    if not hasattr(config, "workerinput"):  # pytest-xdist's workers hand their reports over
        name = config.getoption("gradcheck_report")
        path = Path(name) if name else None
        if path and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise pytest.UsageError(f"--gradcheck-report: cannot write {path}: there is no such folder, or it is one")
        config.pluginmanager.register(Summary(path), "gradcheck-summary")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    found = item.stash.get(_REPORTS, [])
    if found:
        report.gradcheck = list(found)  # type: ignore[attr-defined]  # plain values, which pytest-xdist carries along
        found.clear()
    return report
