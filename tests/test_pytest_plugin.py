"""The pytest plugin, run in sessions of its own by pytester."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch._dynamo  # noqa: F401  (torch cannot be imported twice: pytester takes out what it imports later)

import manualgrad
import manualgrad.checking

PLUGIN = "manualgrad.pytest_plugin"

FUNCTIONS = """
import pytest
import torch
from torch.autograd import Function


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * 3 * x**2


class Wrong(Cube):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return -dy * 3 * x**2
"""


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder for a session that has our plugin and xdist's, wherever they are installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the entry point would load ours a second time
    monkeypatch.setenv("PYTEST_ADDOPTS", f"-p {PLUGIN} -p xdist.plugin -p no:cacheprovider --strict-markers")
    monkeypatch.setenv("PYTHONPATH", str(Path(manualgrad.__file__).parent.parent))
    return pytester


def names(result: pytest.RunResult) -> list[str]:
    """The tests that were run, in order."""
    return [found for line in result.outlines for found in re.findall(r"::(\S+) (?:PASSED|FAILED|ERROR)", line)]


# ------------------------------------------------------------------------------------------------------- the fixture


def test_a_right_gradient_passes_and_is_counted(session: pytest.Pytester) -> None:
    session.makepyfile(FUNCTIONS + "def test_it(gradcheck):\n    assert gradcheck(Cube, torch.ones(3)).passed")
    result = session.runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["gradcheck: 1 checks in 1 tests, 0 wrong"])


def test_a_wrong_gradient_fails_with_one_short_message(session: pytest.Pytester) -> None:
    session.makepyfile(FUNCTIONS + "def test_it(gradcheck):\n    gradcheck(Wrong, torch.ones(40, 30))")
    result = session.runpytest()
    result.assert_outcomes(failed=1)
    said = [line for line in result.outlines if line.startswith("E ")]
    assert "GradientError: Wrong: [sign] the gradient of x" in said[0]
    assert 1 <= len(said) <= 2
    assert not [line for line in result.outlines if "tensor(" in line]
    assert not [line for line in result.outlines if "checking" in line and not line.startswith(("E ", "FAILED"))]
    result.stdout.fnmatch_lines(["gradcheck: 1 checks in 1 tests, 1 wrong (sign 1)"])


def test_a_warning_is_one_of_pytests(session: pytest.Pytester) -> None:
    session.makepyfile(
        """
        import torch
        def test_it(gradcheck):
            gradcheck(lambda x: torch.log(torch.exp(x)), torch.ones(3))
        """
    )
    result = session.runpytest("-W", "default")
    result.stdout.fnmatch_lines(["*PytestWarning: function: [[]unstable] *", "*1 passed, * warning*"])
    session.runpytest("-W", "error:function").assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("pass", "the test takes the fixture gradcheck and checks nothing: call gradcheck(fn)"),
        ("gradcheck(Cube)", "gradcheck needs inputs: gradcheck(fn, x), or @pytest.mark.gradcheck((5, 3)) on the test"),
        ("gradcheck(Cube, torch.tensor([1]))", "nothing to differentiate by"),
    ],
)
def test_a_test_that_checks_nothing_fails(session: pytest.Pytester, body: str, says: str) -> None:
    session.makepyfile(f"{FUNCTIONS}\ndef test_it(gradcheck):\n    {body}")
    result = session.runpytest()
    result.assert_outcomes(failed=1)
    assert len([line for line in result.outlines if says in line and not line.startswith("FAILED")]) == 1
    assert not [line for line in result.outlines if "target.py" in line]


# -------------------------------------------------------------------------------------------------------- the marker


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("(2, 3), (2, 3)", [""]),
        ("(2, 3), (2, 3), dtype='float32'", [""]),
        ("(2, 3), (2, 3), dtype=('float64', torch.bfloat16)", ["[float64]", "[bfloat16]"]),
        ("(2, 3), (2, 3), contiguous=[True, False]", ["[contiguous]", "[strided]"]),
        ("(2, 3), (2, 3), requires_grad='each'", ["[grad0]", "[grad1]"]),
        ("(2, 3), torch.ones(2, 3), requires_grad='subsets'", ["[grad0]", "[grad1]", "[all]"]),
        ("(2, 3), (2, 3), seed=(1, 2), contiguous=False", ["[strided-seed1]", "[strided-seed2]"]),
        (
            "(2, 3), (3,), broadcast=True",
            ["[whole]", "[input0:1x3]", "[input0:2x1]", "[input0:3]", "[input1:1]", "[input1:scalar]"],
        ),
        (
            "(2,), (2,), dtype=('float64', 'float16'), requires_grad=('all', 'each')",
            [f"[{d}-{g}]" for d in ("float64", "float16") for g in ("all", "grad0", "grad1")],
        ),
    ],
)
def test_options_of_the_marker_make_tests(session: pytest.Pytester, marker: str, expected: list[str]) -> None:
    session.makepyfile(
        f"{FUNCTIONS}\n@pytest.mark.gradcheck({marker})\ndef test_it(gradcheck):\n    gradcheck(torch.mul)"
    )
    result = session.runpytest("-v")
    assert names(result) == [f"test_it{name}" for name in expected]
    result.assert_outcomes(passed=len(expected))


def test_the_inputs_are_what_the_marker_says(session: pytest.Pytester) -> None:
    session.makepyfile(
        """
        import pytest
        import torch

        index = torch.tensor([1, 0])
        weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]])

        @pytest.mark.gradcheck((3, 2), weight, index, dtype="bfloat16", contiguous=False, seed=7)
        def test_strange(gradcheck):
            gradcheck(lambda x, w, i: (x.sum(0) + w) * i)
            x, w, i = gradcheck.inputs
            assert (x.shape, x.dtype, x.is_contiguous(), x.requires_grad) == ((3, 2), torch.bfloat16, False, True)
            assert (w.dtype, w.is_contiguous()) == (torch.bfloat16, False)
            assert torch.equal(w.float(), weight)
            assert i is index
            drawn = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
            assert torch.equal(x, drawn.bfloat16())

        @pytest.mark.gradcheck((3, 2), (3, 2), broadcast=True, requires_grad="each")
        def test_shapes(gradcheck):
            gradcheck(lambda a, b: a * b)
            seen.add(tuple((tuple(a.shape), a.requires_grad) for a in gradcheck.inputs))

        seen = set()

        def test_all_shapes_were_seen():
            shapes = {tuple(s for s, _ in case) for case in seen}
            whole = (3, 2)
            smaller = [(1, 2), (3, 1), (2,)]
            assert shapes == {(whole, whole), *((s, whole) for s in smaller), *((whole, s) for s in smaller)}
            assert {tuple(g for _, g in case) for case in seen} == {(True, False), (False, True)}
        """
    )
    session.runpytest().assert_outcomes(passed=1 + 7 * 2 + 1)


def test_every_option_finds_what_only_it_can_find(session: pytest.Pytester) -> None:
    """A mistake on one path each: the test of that path fails, and no other."""
    session.makepyfile(
        FUNCTIONS
        + """
class Mul(Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy * w, dy * x


class WrongInHalf(Mul):
    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy * w * (3 if dy.dtype == torch.float16 else 1), dy * x


class WrongWhenStrided(Mul):
    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return torch.as_strided(dy * w, x.shape, x.stride()) if x.is_contiguous() else dy, dy * x


class WrongWhenBroadcast(Mul):
    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return (dy * w).mean(0) if x.dim() < w.dim() else dy * w, dy * x


class WrongAlone(Mul):
    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy * w, dy * x if ctx.needs_input_grad[0] else dy


@pytest.mark.gradcheck((4, 3), (4, 3), dtype=("float64", "float32", "float16"))
def test_dtype(gradcheck):
    gradcheck(WrongInHalf)


@pytest.mark.gradcheck((4, 3), (4, 3), broadcast=True)
def test_broadcast(gradcheck):
    gradcheck(WrongWhenBroadcast)


@pytest.mark.gradcheck((4, 3), (4, 3), requires_grad="each")
def test_alone(gradcheck):
    gradcheck(WrongAlone)


@pytest.mark.gradcheck((4, 3), (4, 3), contiguous=(True, False))
def test_strided(gradcheck):
    gradcheck(WrongWhenStrided, ignore=["noncontiguous"])
"""
    )
    result = session.runpytest("-v")
    failed = {found for line in result.outlines for found in re.findall(r"::(\S+) FAILED +\[", line)}
    assert failed == {"test_dtype[float16]", "test_broadcast[input0:3]", "test_alone[grad1]", "test_strided[strided]"}


@pytest.mark.parametrize(
    ("marker", "says"),
    [
        ("(5, 3), dtpe='float32'", "gradcheck takes no argument dtpe; did you mean dtype? (dtype, contiguous, broadc"),
        ("(5, 3), dtype='bfloat'", "gradcheck: there is no dtype bfloat; did you mean bfloat16? (float64, float32, b"),
        ("(5, 3), dtype=()", "gradcheck: dtype takes one value or several, got none"),
        ("(5, 3), contiguous='yes'", "gradcheck: there is no contiguous yes (True, False)"),
        ("(5, 3), requires_grad='subset'", "gradcheck: there is no requires_grad subset; did you mean subsets? (all"),
        ("(5, 3), seed='one'", "gradcheck: seed takes a whole number, got 'one'"),
        ("", "gradcheck needs the shape of each input: @pytest.mark.gradcheck((5, 3), (4, 3))"),
        ("5", "gradcheck takes a shape or a tensor for each input, got 5; did you mean (5,)?"),
        (
            "'float32'",
            "gradcheck takes a shape or a tensor for each input, got 'float32'; did you mean dtype='float32'?",
        ),
        ("(5, -3)", "gradcheck: no dimension of a shape is negative, got (5, -3)"),
        ("torch.tensor([1])", "gradcheck: none of the inputs is a shape or a floating-point tensor"),
        (
            "(5, 3), broadcast=True",
            "gradcheck: broadcast=True takes two inputs or more that broadcast together, got (5",
        ),
        (
            "(5, 3), (4, 3), broadcast=True",
            "gradcheck: broadcast=True takes two inputs or more that broadcast together",
        ),
    ],
)
def test_a_mistake_in_the_marker_is_said_at_collection(session: pytest.Pytester, marker: str, says: str) -> None:
    session.makepyfile(
        test_it=f"{FUNCTIONS}\n@pytest.mark.gradcheck({marker})\ndef test_mine(gradcheck):\n    gradcheck(Cube)"
    )
    result = session.runpytest()
    assert result.ret == pytest.ExitCode.INTERRUPTED  # status 2: nothing was run
    (line,) = [line for line in result.outlines if line.startswith("test_it.py::test_mine: ")]
    assert line.startswith(f"test_it.py::test_mine: {says}")
    assert not [line for line in result.outlines if "Traceback" in line or line.startswith("E ")]


@pytest.mark.parametrize(
    ("test", "says"),
    [
        (
            "@pytest.mark.gradcheck((3,))\ndef test_mine():\n    pass",
            "is marked gradcheck but does not take the fixtur",
        ),
        (
            "@pytest.mark.gradcheck((3,))\n@pytest.mark.gradcheck((4,))\ndef test_mine(gradcheck):\n    pass",
            "is marked ",
        ),
    ],
)
def test_a_marker_that_would_do_nothing(session: pytest.Pytester, test: str, says: str) -> None:
    session.makepyfile(test_it=f"import pytest\n{test}")
    result = session.runpytest()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"test_it.py::test_mine: {says}*"])


def test_a_marked_class_marks_the_tests_that_take_the_fixture(session: pytest.Pytester) -> None:
    session.makepyfile(
        FUNCTIONS
        + """
@pytest.mark.gradcheck((3,), dtype=("float64", "float32"))
class TestCube:
    def test_it(self, gradcheck):
        gradcheck(Cube)

    def test_other(self):
        pass
"""
    )
    session.runpytest().assert_outcomes(passed=3)


# -------------------------------------------------------------------------------------------------------- the report


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_the_report_has_every_check(session: pytest.Pytester, workers: tuple[str, ...]) -> None:
    session.makepyfile(
        test_it=FUNCTIONS
        + """
@pytest.mark.gradcheck((2,), dtype=("float64", "float32"))
def test_cube(gradcheck):
    gradcheck(Cube)


def test_wrong(gradcheck):
    gradcheck(Cube, torch.ones(2))
    gradcheck(Wrong, torch.ones(2))
"""
    )
    run = session.runpytest_subprocess if workers else session.runpytest
    result = run("--gradcheck-report", "report.json", *workers)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["gradcheck: 4 checks in 3 tests, 1 wrong (sign 1); report in report.json"])
    report = json.loads((session.path / "report.json").read_text())
    assert (report["checks"], report["right"], report["wrong"]) == (4, 3, 1)
    assert [(r["test"], r["title"], r["passed"]) for r in report["results"]] == [
        ("test_it.py::test_cube[float32]", "Cube", True),
        ("test_it.py::test_cube[float64]", "Cube", True),
        ("test_it.py::test_wrong", "Cube", True),
        ("test_it.py::test_wrong", "Wrong", False),
    ]
    assert report["results"][-1]["findings"][0]["code"] == "sign"
    assert [p.name for p in session.path.glob("report*")] == ["report.json"]


def test_a_report_that_cannot_be_written_is_a_usage_error(session: pytest.Pytester) -> None:
    session.makepyfile("def test_it():\n    pass")
    for path in ("no/such/report.json", "."):
        result = session.runpytest("--gradcheck-report", path)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: --gradcheck-report: cannot write {path}: *"])


def test_the_example_of_the_readme_runs(session: pytest.Pytester) -> None:
    readme = (Path(manualgrad.__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (example,) = (e for e in examples if "gradcheck" in e)
    session.makepyfile(mine=FUNCTIONS)
    session.makepyfile(test_mine=example)
    result = session.runpytest("--gradcheck-report", "report.json")
    result.assert_outcomes(passed=7)


# ----------------------------------------------------------------------------------------------------- what it costs


def test_a_run_that_does_not_use_it_imports_nothing(session: pytest.Pytester) -> None:
    session.makepyfile(
        """
        import sys

        def test_it():
            assert "manualgrad.pytest_plugin" in sys.modules
            for name in ("torch", "manualgrad.checking", "numpy", "jsonargparse"):
                assert name not in sys.modules
        """
    )
    result = session.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert "gradcheck:" not in str(result.stdout)


def test_it_costs_less_than_50_ms() -> None:
    code = f"import pytest, time; t = time.process_time(); import {PLUGIN}; print(time.process_time() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.05


def test_pytest_finds_it_by_its_entry_point() -> None:
    text = (Path(manualgrad.__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^\[project\.entry-points\.pytest11\]\nmanualgrad = "(.*)"$', text, re.MULTILINE)
    assert found is not None
    assert found[1] == PLUGIN
    assert importlib.import_module(found[1]).gradcheck
