"""explain: its words, its numbers, its routes, and what it does with bad input."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from torch import nn as tnn

from manualgrad import Tape, explain, nn
from manualgrad import functional as F
from manualgrad.explaining import Explanation
from manualgrad.explaining.examples import load
from manualgrad.explaining.examples.computing import problem_of
from manualgrad.explaining.examples.problems import Problem
from manualgrad.formula import FormulaError
from tests.explaining import networks

# -------------------------------------------------------------------------------------------------------------- routes


def problem(name: str) -> Problem:
    found = problem_of(load()[name])
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["two-neurons-2024", "2-2-2-biases", "3-4-1", "2-3-1"])
def test_paths_multiply_and_add_up_to_the_gradient_of_autograd(name: str) -> None:
    model = problem(name)
    _, gradients = model.look("autograd")
    explanation = model.explain()
    tried = 0
    for parameter, values in model.model.named_parameters():
        for index in range(values.numel()):
            place = [int(i) for i in torch.unravel_index(torch.tensor(index), values.shape)]
            route = explanation.route(f"{parameter}{place}", listed=1000)
            by_hand = 0.0
            for path in route.paths:
                product = 1.0
                for link in path.links:
                    product *= link.slope
                assert product == pytest.approx(path.product, rel=1e-14)
                by_hand += product
            expected = gradients[parameter].flatten()[index].item()
            assert len(route.paths) == route.number_of_paths
            assert by_hand == pytest.approx(expected, rel=0, abs=1e-12)
            assert route.total == pytest.approx(expected, rel=0, abs=1e-12)
            assert route.gradient == pytest.approx(expected, rel=0, abs=1e-12)
            tried += 1
    assert tried == sum(p.numel() for p in model.trained)


def test_route_in_the_words_of_the_book() -> None:
    assert str(networks.example("2-2-2").route("w5")) == (
        "dE/dw5 = dE/dout_o1 . dout_o1/dnet_o1 . dnet_o1/dw5 = 0.7414 . 0.1868 . 0.5933 = 0.0822"
    )
    assert networks.example("2-2-2").route("output.weight[0, 0]") == networks.example("2-2-2").route("w5")
    two = networks.example("2-2-2").route("w1").text().splitlines()
    assert two[0] == "dE/dw1: 2 paths lead from w1 to E"
    assert two[-1] == "dE/dw1 = 0.0006684 + (-0.0002298) = 0.0004386"


def test_route_counts_all_paths_and_lists_the_largest() -> None:
    explanation = networks.digits()
    name = next(n for n in (f"0.weight[{j}, 20]" for j in range(32)) if explanation.route(n, listed=1).gradient)
    route = explanation.route(name, listed=5)
    assert len(route.paths) == 5
    assert route.number_of_paths == 32 * 10  # for every example, through every output
    assert route.total == pytest.approx(route.gradient, rel=1e-4, abs=1e-8)
    sizes = [abs(p.product) for p in route.paths]
    assert sizes == sorted(sizes, reverse=True)
    everything = explanation.route(name, listed=1000)
    assert [p.product for p in everything.paths[:5]] == [p.product for p in route.paths]
    assert "the 5 largest are" in route.text()


def test_route_of_a_weight_that_is_used_twice() -> None:
    explanation = networks.several()
    route = explanation.route("w[0, 1]", listed=1000)
    assert route.total == pytest.approx(route.gradient, rel=1e-5)
    assert len({path.names[-2].partition("[")[0] for path in route.paths}) == 2  # it enters at two places


def test_route_from_the_middle_and_to_a_result_of_several_elements() -> None:
    error_term = networks.example("2-2-2").route("net_h1")
    assert error_term.total == pytest.approx(0.00877135468948693, abs=1e-15)
    several = networks.example("linear-layer").route("X[0, 1]")
    assert several.total == several.gradient == -1.0
    assert several.loss == "sum(out)"


def test_route_without_influence() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    with Tape() as tape:
        y = w[0] * 3
    assert explain(tape, names={"w": w, "y": y}).route("w[1]").text() == "dy/dw[1] = 0: no path leads from w[1] to y"


def test_route_through_a_relu_that_is_off() -> None:
    w = torch.tensor(-2.0, requires_grad=True)
    with Tape() as tape:
        z = w * 3
        y = torch.relu(z)
    route = explain(tape, names={"w": w, "z": z, "y": y}).route("w")
    assert route.text() == "dy/dw = dy/dz . dz/dw = 0 . 3 = 0"


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("hiden.weight[0, 0]", ValueError, "no parameter hiden.weight; did you mean hidden.weight"),
        ("w99", ValueError, "no parameter w99; did you mean w"),
        ("hidden.weight", ValueError, "has 4 elements (2 x 2); name one of them, as in hidden.weight[0, 0]"),
        ("hidden.weight[0]", ValueError, "hidden.weight has 2 dimensions (2 x 2), hidden.weight[0] gives 1"),
        ("hidden.weight[0, 2]", IndexError, "out of range: hidden.weight is 2 x 2"),
    ],
)
def test_names_that_do_not_exist(name: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as raised:
        networks.example("2-2-2").route(name)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


# ---------------------------------------------------------------------------------------------------------------- text


def test_text_of_the_2_2_2_network() -> None:
    text = networks.example("2-2-2").text()
    for line in (
        "net_h1 = 0.05 . 0.15 + 0.1 . 0.2 + 0.35 = 0.3775",
        "out_h1 = sigmoid(0.3775) = 0.5933",
        "E = half_mse_loss(out_output, t, reduction=sum) = 0.2984",
        "dE/dE = 1",
        "dE/dw5 = dE/dout_o1 . dout_o1/dnet_o1 . dnet_o1/dw5 = 0.7414 . 0.1868 . 0.5933 = 0.0822",
        "dE/dout_h1 = 0.1385 . 0.4 + (-0.0381) . 0.5 = 0.0364",
        "parameter  before  gradient  adjustment  after",
        "w5         0.4      0.0822    0.0411     0.3589",
    ):
        assert line in text
    assert [word for word in text.split() if word.isupper() and len(word) > 5] == [
        "FORWARD", "BACKWARD", "UPDATE",
    ]  # fmt: skip
    assert "0.293" not in text
    assert "0.2983711088" in networks.example("2-2-2").text(digits=10)


def test_scalar_graph_takes_the_names_of_the_variables() -> None:
    x, y, z = (torch.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    with Tape() as tape:
        f = (x + y) * z
    explanation = explain(tape)
    assert set(explanation.values) == {"x", "y", "z", "q", "f"}
    assert {name: g.item() for name, g in explanation.gradients.items()} == {"f": 1, "q": -4, "x": -4, "y": -4, "z": 3}
    assert explanation.title == "f"
    assert "q = x + y = -2 + 5 = 3" in explanation.text()
    assert "f = q . z = 3 . (-4) = -12" in explanation.text()
    assert x.grad is None  # only looked at
    tape.backward(f)
    assert explanation.gradients["x"] == x.grad


def test_torchs_modules_and_ours_are_explained_alike() -> None:
    def explained(layers: object) -> str:
        torch.manual_seed(0)
        model = layers.Sequential(layers.Linear(3, 2), layers.Tanh(), layers.Linear(2, 1))  # type: ignore[attr-defined]
        return explain(model, torch.ones(1, 3), torch.zeros(1, 1), layers.MSELoss()).text()  # type: ignore[attr-defined]

    assert explained(nn) == explained(tnn)


def test_nothing_is_changed() -> None:
    torch.manual_seed(0)
    model = tnn.Sequential(tnn.Linear(4, 4), tnn.BatchNorm1d(4), tnn.Dropout(), tnn.Linear(4, 1))
    model[0].weight.grad = torch.full((4, 4), 7.0)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    explain(model, torch.randn(8, 4, generator=torch.Generator().manual_seed(1)), torch.zeros(8, 1), F.mse_loss)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(model[0].weight.grad, torch.full((4, 4), 7.0))
    assert model[3].weight.grad is None
    assert torch.equal(torch.get_rng_state(), state)
    assert not model[0]._forward_hooks
    assert not model[0]._forward_pre_hooks


def test_running_averages_in_evaluation() -> None:
    torch.manual_seed(0)
    model = tnn.Sequential(tnn.BatchNorm1d(3), tnn.Linear(3, 1)).double().eval()
    explanation = explain(model, torch.randn(4, 3).double(), torch.zeros(4, 1).double(), tnn.MSELoss())
    route = explanation.route("0.weight[1]", listed=10)
    assert route.number_of_paths == 4
    assert route.total == pytest.approx(route.gradient, abs=1e-14)


def test_values_are_those_before_they_were_overwritten() -> None:
    torch.manual_seed(0)
    model = tnn.Sequential(tnn.Linear(2, 3), tnn.ReLU(inplace=True), tnn.Linear(3, 1)).double()
    explanation = explain(model, torch.tensor([[1.0, -2.0]]).double(), torch.tensor([[1.0]]).double(), tnn.MSELoss())
    net = explanation.values["net_0"]
    assert bool((net < 0).any())
    torch.testing.assert_close(explanation.values["out_0"], net.clamp(min=0))
    assert explanation.finite_differences(1e-6, central=True).largest_difference < 1e-8


def test_frozen_parameters_and_shared_ones() -> None:
    explanation = networks.example("2-2-2")
    assert set(explanation.parameters) == {"hidden.weight", "output.weight"}
    text = networks.example("sharing").text()
    assert "dy/dtheta = 3 + 2 = 5" in text or "dy/dtheta = 2 + 3 = 5" in text


def test_large_layers_are_summarised() -> None:
    text = networks.wide().text()
    assert "net_0 = linear(x, 0.weight, 0.bias) = 4 x 16, at most" in text
    assert "12536 more elements of 0.weight (16 x 784)" in text
    assert max(map(len, text.splitlines())) < 200
    unit = explain(tnn.Linear(784, 1), torch.ones(784), torch.zeros(1), tnn.MSELoss()).text()
    assert "... (784 products)" in unit


def test_speed_of_the_digits_network(tmp_path: Path) -> None:
    networks.digits.cache_clear()
    explain(tnn.Linear(1, 1), torch.ones(1), torch.ones(1), tnn.MSELoss())  # imports
    start = time.perf_counter()
    explanation = networks.digits()
    assert time.perf_counter() - start < 2
    page = explanation.html(tmp_path / "digits.html")
    assert page.stat().st_size < 300_000
    assert time.perf_counter() - start < 4


# ----------------------------------------------------------------------------------------------------------- bad input


class Unknown(tnn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.i1(x)


def fails(said: str, error: type[Exception], *arguments: object, **keywords: object) -> None:
    with pytest.raises(error) as raised:
        explain(*arguments, **keywords)  # type: ignore[call-overload]
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_operation_without_a_formula() -> None:
    model = tnn.Sequential(tnn.Linear(2, 2), Unknown())
    fails("i1: the tape has no formula", FormulaError, model, torch.ones(2, 2), None, torch.sum)


def test_nan_is_told_where_it_first_appears() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    with Tape() as tape:
        y = x * 2
        z = torch.log(y)
        loss = (z + y).sum()
    assert bool(loss.isnan())
    said = "forward pass at step 2, log: 1 of 2 elements of z (from y between -4 and 2)"
    fails(said, ValueError, tape, names={"y": y, "z": z})


def test_nan_on_the_way_back() -> None:
    x = torch.tensor([4.0, 0.0], requires_grad=True)
    with Tape() as tape:
        loss = (torch.sqrt(x) * 0).sum()
    assert loss == 0
    fails(
        "backward pass at step 1, sqrt: 1 of 2 elements of the gradient that it sends to x",
        ValueError,
        tape,
        names={"x": x},
    )


def test_nan_given() -> None:
    model = tnn.Linear(2, 1)
    bad = torch.tensor([1.0, float("nan")])
    fails("1 of 2 elements of the input x are NaN", ValueError, model, bad, torch.ones(1), tnn.MSELoss())


def test_what_cannot_be_explained() -> None:
    model, x, t = tnn.Linear(2, 1), torch.ones(2), torch.ones(1)
    fails(
        "model must be a torch.nn.Module or a manualgrad.Tape, got function", TypeError, lambda x: x, x, t, F.mse_loss
    )
    fails("loss must be a function", TypeError, model, x, t)
    fails("loss must be a function", TypeError, model, x, t, "mse")
    fails("a tensor of one element, got shape (2,)", ValueError, model, torch.ones(2, 2), None, lambda o: o.flatten())
    fails("a tensor of one element, got float", ValueError, model, x, t, lambda o, t: 1.0)
    fails("names are for a tape", TypeError, model, x, t, F.mse_loss, names={"x": x})
    fails("nothing is recorded on the tape", ValueError, Tape())
    layer = tnn.Linear(2, 3)
    with Tape() as tape:
        y = layer(x)
    fails("a tape holds its inputs", TypeError, tape, x)
    fails("shape (3,)", ValueError, tape)
    tape.backward(y, torch.ones(3))
    fails("nothing is recorded on the tape", ValueError, tape)


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    explanation: Explanation = networks.example("xyz")
    for write in (explanation.html, explanation.figure):
        with pytest.raises(FileNotFoundError):
            write(tmp_path / "nowhere" / "page.png")
    with pytest.raises(ValueError, match=r"the file must end in \.png, \.svg or \.pdf, got page\.bmp"):
        explanation.figure(tmp_path / "page.bmp")
    assert list(tmp_path.iterdir()) == []
