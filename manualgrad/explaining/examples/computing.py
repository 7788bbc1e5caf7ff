"""The results of every worked example, computed through our formulas by either engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from manualgrad import functional as F
from manualgrad.explaining.examples import Example, problems
from manualgrad.explaining.examples.engines import ENGINES
from manualgrad.explaining.examples.problems import Problem, exact, half_squared_error

Results = dict[str, Any]
_COMPUTED: dict[str, Callable[[Example, str], Results]] = {}


def compute(example: Example, engine: str) -> Results:
    """The results by the names of the checks, as numbers and lists of numbers."""
    results = _COMPUTED[example.name](example, engine)
    return {name: v.tolist() if isinstance(v, Tensor) else v for name, v in results.items()}


def _computes(*names: str) -> Callable[[Callable[[Example, str], Results]], Callable[[Example, str], Results]]:
    def register(function: Callable[[Example, str], Results]) -> Callable[[Example, str], Results]:
        _COMPUTED.update(dict.fromkeys(names, function))
        return function

    return register


def problem_of(example: Example) -> Problem | None:
    """The network that the example trains; None for one that trains none."""
    builder = {
        "two-neurons-a": problems.two_neurons,
        "two-neurons-b": problems.two_neurons,
        "two-neurons-c": problems.two_neurons,
        "two-neurons-2024": problems.two_neurons,
        "2-2-2": problems.net_2_2_2,
        "2-2-2-biases": lambda e: problems.net_2_2_2(e, "separate"),
        "2-2-1": problems.net_2_2_1,
        "3-4-1": problems.net_3_4_1,
        "3-4-1-rounded": problems.net_3_4_1,
        "2-3-1": problems.net_2_3_1,
        "2-3-1-100": problems.net_2_3_1,
        "learning-rate-0.01": lambda e: problems.line(e, e.given["learning_rate"]),
        "learning-rate-0.1": lambda e: problems.line(e, e.given["learning_rate"]),
        "learning-rate-1.0": lambda e: problems.line(e, e.given["learning_rate"]),
    }.get(example.name)
    return builder(example) if builder else None


def _problem(example: Example) -> Problem:
    problem = problem_of(example)
    assert problem is not None
    return problem


# ----------------------------------------------------------------------------------------------------- scalar graphs


@_computes("xyz")
def _xyz(example: Example, engine: str) -> Results:
    x, y, z = (exact(float(example.given[n])).requires_grad_() for n in "xyz")
    with ENGINES[engine]() as run:
        q = x + y
        f = q * z
    df, dz, dq, dx, dy = run.gradients(f, [f, z, q, x, y])
    return {"q": q, "f": f, "df_df": df, "df_dz": dz, "df_dq": dq, "df_dx": dx, "df_dy": dy}


@_computes("half-squared-error")
def _half_squared_error(example: Example, engine: str) -> Results:
    z = exact(example.given["yhat"]).requires_grad_()
    with ENGINES[engine]() as run:
        yhat = z * example.given["activation_derivative_b"]  # an identity activation of the printed slope
        error = half_squared_error(yhat, exact(example.given["y"]))
    dyhat, dz = run.gradients(error, [yhat, z])
    return {"E": error, "dE_dyhat": dyhat, "error_term_b": dz, "yhat_minus_gradient": yhat - dyhat}


@_computes("sharing")
def _sharing(example: Example, engine: str) -> Results:
    g = example.given
    theta = exact(g["theta"]).requires_grad_()
    with ENGINES[engine]() as run:
        first, second = theta * g["a"], theta**2 * g["b"]
        y = first + second
    return {
        "branch_1": run.gradients(first, [theta])[0],
        "branch_2": run.gradients(second, [theta])[0],
        "dy_dtheta": run.gradients(y, [theta])[0],
    }


@_computes("recurrent")
def _recurrent(example: Example, engine: str) -> Results:
    g = example.given

    def through_time(step: Callable[[Tensor], Tensor]) -> Tensor:
        first = exact(0.5).requires_grad_()
        with ENGINES[engine]() as run:
            h = first
            for _ in range(g["T"]):
                h = step(h)
        return run.gradients(h, [first])[0]

    return {
        "dhT_dh0_small": through_time(lambda h: g["w_small"] * h),
        "dhT_dh0_large": through_time(lambda h: g["w_large"] * h),
        "sigmoid_slope_bound_T10": through_time(lambda h: F.sigmoid(h - 0.5)),  # at its steepest in every step
    }


@_computes("linear-layer")
def _linear_layer(example: Example, engine: str) -> Results:
    g = example.given
    x, w, b = (exact(g[n]).double().requires_grad_() for n in ("X", "W", "b"))
    with ENGINES[engine]() as run:
        out = F.linear(x, w, b)
    dw, db, dx = run.gradients(out, [w, b, x], exact(g["grad_out"]))
    return {"out": out, "grad_W": dw, "grad_b": db, "grad_X": dx}


@_computes("softmax")
def _softmax(example: Example, engine: str) -> Results:
    logits = exact(example.given["logits"]).requires_grad_()
    with ENGINES[engine]() as run:
        p = F.softmax(logits, 0)
        loss = -torch.log(p[example.given["target_index"]])
    with ENGINES[engine]() as fused:
        same = F.cross_entropy(logits, torch.tensor(example.given["target_index"]))
    d_logits = run.gradients(loss, [logits])[0]
    torch.testing.assert_close(fused.gradients(same, [logits])[0], d_logits)
    return {"probabilities": p, "sum": p.sum(), "loss": same, "dL_dlogits": d_logits}


# -------------------------------------------------------------------------------------------------------- two neurons


@_computes("two-neurons-a", "two-neurons-b", "two-neurons-c")
def _two_neurons(example: Example, engine: str) -> Results:
    problem = _problem(example)
    values, gradients = problem.look(engine)
    results = {
        "yhat_b": values["out_b"][0],
        "E": values["E"],
        "dE_dyb": gradients["out_b"][0],
        "error_term_b": gradients["net_b"][0],
        "error_term_a": gradients["net_a"][0],
        "adjust_wa1": problem.learning_rate * gradients["a.weight"][0, 0],
        "adjust_wb1": problem.learning_rate * gradients["b.weight"][0, 0],
    }
    passes = list(problem.descend(3, engine))
    again = _problem(example)
    again.after(1, engine)
    return results | {
        "new_wa1": again.parameter("a.weight")[0, 0],
        "new_wb1": again.parameter("b.weight")[0, 0],
        "yhat_b_iteration_2": passes[1][0][0],
        "E_iteration_2": passes[1][1],
        "yhat_b_iteration_3": passes[2][0][0],
        "E_iteration_3": passes[2][1],
    }


@_computes("two-neurons-learning-rate")
def _implied_learning_rate(example: Example, engine: str) -> Results:
    g = example.given
    # Error term of a = that of b, times the weight between them: the slope is 1.
    wb1, gradient_a = g["error_term_a"] / g["error_term_b"], g["adjust_wa1"] / g["eta_stated"]
    gradient_b = g["adjust_wb1"] / g["eta_stated"]
    needed = gradient_b / g["error_term_b"]
    ya = exact(needed).requires_grad_()
    with ENGINES[engine]() as run:
        out = ya * wb1
    slope = run.gradients(out, [ya])[0]
    torch.testing.assert_close(slope * g["error_term_b"], exact(g["error_term_a"]))
    return {
        "gradient_wa1_required_at_0.012": gradient_a,
        "gradient_wb1_required_at_0.012": gradient_b,
        "x1_and_ya_required_at_0.012": needed,
        "bias_b_required_at_0.012": 1.7 - out.item(),
        "eta_if_gradients_are_error_terms": g["adjust_wb1"] / g["error_term_b"],
        "ratio_adjustments": g["adjust_wa1"] / g["adjust_wb1"],
    }


@_computes("two-neurons-2024")
def _two_neurons_2024(example: Example, engine: str) -> Results:
    problem = _problem(example)
    values, gradients = problem.look(engine)
    problem.after(1, engine)
    output, error = problem.now()
    return {
        "za": values["net_a"][0],
        "zb": values["net_b"][0],
        "yhat_b": values["out_b"][0],
        "E": values["E"],
        "dE_dyb": gradients["out_b"][0],
        "error_term_b": gradients["net_b"][0],
        "error_term_a": gradients["net_a"][0],
        "new_wa1": problem.parameter("a.weight")[0, 0],
        "new_wa2": problem.parameter("a.weight")[0, 1],
        "new_wa3": problem.parameter("a.weight")[0, 2],
        "new_ba": problem.parameter("a.bias")[0],
        "new_bb": problem.parameter("b.bias")[0],
        "new_wb1": problem.parameter("b.weight")[0, 0],
        "yhat_b_iteration_2": output[0],
        "E_iteration_2": error,
    }


# -------------------------------------------------------------------------------------------------------------- 2-2-2


@_computes("2-2-2")
def _net_2_2_2(example: Example, engine: str) -> Results:
    problem = _problem(example)
    values, gradients = problem.look(engine)
    each = F.half_mse_loss(values["out_output"], problem.target, reduction="none")
    results = {
        "net_h1": values["net_hidden"][0],
        "net_h2": values["net_hidden"][1],
        "out_h1": values["out_hidden"][0],
        "out_h2": values["out_hidden"][1],
        "net_o1": values["net_output"][0],
        "net_o2": values["net_output"][1],
        "out_o1": values["out_output"][0],
        "out_o2": values["out_output"][1],
        "E_o1": each[0],
        "E_o2": each[1],
        "E_total": values["E"],
        "delta_o1": gradients["net_output"][0],
        "dE_dw5": gradients["output.weight"][0, 0],
        "dE_dw1": gradients["hidden.weight"][0, 0],
    }
    _, results["E_after_1"] = problem.after(1, engine)
    results["new_W1"] = problem.parameter("hidden.weight")
    results["new_W2"] = problem.parameter("output.weight")
    _, results["E_after_9999"] = problem.after(9998, engine)
    results["out_after_10000"], results["E_after_10000"] = problem.after(1, engine)
    return results


@_computes("2-2-2-sequential")
def _sequential(example: Example, engine: str) -> Results:
    problem = problems.net_2_2_2(example)
    _, after_1 = sequentially(problem, 1, engine)
    _, after_9999 = sequentially(problem, 9998, engine)
    out, after_10000 = sequentially(problem, 1, engine)
    return {
        "E_after_1": after_1,
        "E_after_9999": after_9999,
        "E_after_10000": after_10000,
        "out_after_10000": out,
    }


def sequentially(problem: Problem, steps: int, engine: str) -> tuple[Tensor, Tensor]:
    """Gradient descent with the mistake: the hidden layer's gradients come from output weights updated already."""
    hidden, output = (problem.layer(name) for name in ("hidden", "output"))
    for _ in range(steps):
        with ENGINES[engine]() as run:
            h = F.sigmoid(hidden(problem.inputs))
            net = output(h)
            loss = problem.loss(F.sigmoid(net), problem.target)
        d_weight, d_net = run.gradients(loss, [output.weight, net])
        with torch.no_grad():
            output.weight -= problem.learning_rate * d_weight
            d_h = d_net @ output.weight  # the mistake
        with ENGINES[engine]() as run:
            h = F.sigmoid(hidden(problem.inputs))
        (d_hidden,) = run.gradients(h, [hidden.weight], d_h)
        with torch.no_grad():
            hidden.weight -= problem.learning_rate * d_hidden
    return problem.now()


@_computes("2-2-2-biases")
def _trained_biases(example: Example, engine: str) -> Results:
    results: Results = {}
    for kind in ("separate", "shared"):
        problem = problems.net_2_2_2(example, kind)
        _, results[f"E_after_1_{kind}_biases"] = problem.after(1, engine)
        _, results[f"E_after_10000_{kind}_biases"] = problem.after(9999, engine)
    return results


@_computes("2-2-1")
def _net_2_2_1(example: Example, engine: str) -> Results:
    problem = _problem(example)
    values, _ = problem.look(engine)
    output, _ = problem.after(1, engine)
    return {
        "h": values["net_hidden"],
        "out": values["net_output"][0],
        "E": values["E"],
        "new_W1": problem.parameter("hidden.weight"),
        "new_W2": problem.parameter("output.weight"),
        "out_after_1": output[0],
    }


# -------------------------------------------------------------------------------------------------------------- 3-4-1


@_computes("3-4-1", "3-4-1-rounded")
def _net_3_4_1(example: Example, engine: str) -> Results:
    values, _ = _problem(example).look(engine)
    results: Results = {"f1": values["out_hidden"][0], "loss_0": values["E"]}
    for i, (output, _) in enumerate(_problem(example).descend(7, engine)):
        results[f"yhat_{i}"] = output[0, 0]
    return {c.name: results[c.name] for c in example.checks}


@_computes("parameter-count")
def _parameter_count(example: Example, engine: str) -> Results:
    """The parameters that a gradient reaches in one pass."""
    a, b, c = example.given["layers"]
    model = problems.stack(
        hidden=problems.layer(torch.zeros(b, a).tolist(), [0.0] * b), hidden_sigmoid=torch.nn.Sigmoid(),
        output=problems.layer(torch.zeros(c, b).tolist(), [0.0] * c),
    )  # fmt: skip
    problem = Problem(example.title, model, torch.ones(a).double(), torch.ones(c).double(), half_squared_error, 0.1)
    _, gradients = problem.look(engine)
    counts = {name: gradients[name].numel() for name, _ in model.named_parameters()}
    return {
        "n_parameters": sum(counts.values()),
        "hidden_weights": counts["hidden.weight"],
        "hidden_biases": counts["hidden.bias"],
        "output_weights": counts["output.weight"],
        "output_biases": counts["output.bias"],
    }


@_computes("epoch")
def _epoch(example: Example, engine: str) -> Results:
    g = example.given
    return {"iterations_per_epoch": _one_pass(g["n_examples"], g["batch_size"], engine)[0]}


@_computes("minibatches")
def _minibatches(example: Example, engine: str) -> Results:
    examples = 10 * example.given["n_minibatches"]
    steps, products = _one_pass(examples, examples // example.given["n_minibatches"], engine)
    _, all_at_once = _one_pass(examples, examples, engine)
    return {"relative_step_cost": products / all_at_once, "steps_per_pass": steps}


def _one_pass(examples: int, batch_size: int, engine: str) -> tuple[int, int]:
    """One epoch of gradient descent on y = 3 x: the number of steps, and the products that one gradient took."""
    x = torch.linspace(0, 1, examples, dtype=torch.float64)
    w = exact(0.0).requires_grad_()
    steps = products = 0
    for (batch,) in DataLoader(torch.utils.data.TensorDataset(x), batch_size):
        with ENGINES[engine]() as run:
            loss = F.mse_loss(batch * w, 3 * batch)
        (gradient,) = run.gradients(loss, [w])
        with torch.no_grad():
            w -= 0.1 * gradient
        steps, products = steps + 1, len(batch)
    return steps, products


# -------------------------------------------------------------------------------------------------------------- 2-3-1


@_computes("2-3-1")
def _net_2_3_1(example: Example, engine: str) -> Results:
    problem = _problem(example)
    values, gradients = problem.look(engine)
    problem.after(1, engine)
    return {
        "loss": values["E"],
        "pre_hidden": values["net_hidden"],
        "hidden": values["out_hidden"],
        "out": values["net_output"],
        "grad_W0": gradients["hidden.weight"].t(),
        "grad_b0": gradients["hidden.bias"],
        "grad_W1": gradients["output.weight"].t(),
        "grad_b1": gradients["output.bias"],
        "updated_W0": problem.parameter("hidden.weight").t(),
        "updated_b0": problem.parameter("hidden.bias"),
        "updated_W1": problem.parameter("output.weight").t(),
        "updated_b1": problem.parameter("output.bias"),
    }


@_computes("2-3-1-100")
def _net_2_3_1_100(example: Example, engine: str) -> Results:
    problem = _problem(example)
    out, _ = problem.after(100, engine)
    w0, b0, w1, b1 = (problem.parameter(f"{layer}.{p}") for layer in ("hidden", "output") for p in ("weight", "bias"))
    return {"W0": w0.t(), "b0": b0, "W1": w1.t(), "b1": b1, "out": out}


# ------------------------------------------------------------------------------------------------- the learning rate


def _weights(problem: Problem, epochs: int, engine: str) -> list[float]:
    """The weight after each epoch."""
    return [problem.parameter("line.weight").item() for _ in range(epochs) if problem.after(1, engine)]


@_computes("learning-rate-0.01", "learning-rate-0.1")
def _learning_rate(example: Example, engine: str) -> Results:
    problem = _problem(example)
    _, gradients = problem.look(engine)
    losses = [loss.item() for _, loss in _problem(example).descend(4, engine)]
    weights = _weights(problem, 10, engine)
    problem.after(990, engine)
    return {
        "w_epochs_1_to_10": weights,
        "loss_epochs_0_to_3": losses,
        "grad_w_epoch_0": gradients["line.weight"][0, 0],
        "w_after_1000": problem.parameter("line.weight").item(),
        "b_after_1000": problem.parameter("line.bias").item(),
    }


@_computes("learning-rate-1.0")
def _diverging(example: Example, engine: str) -> Results:
    largest = torch.linalg.eigvalsh(_hessian(_problem(example), engine)).max()
    return {
        "w_epochs_1_to_4": _weights(_problem(example), 4, engine),
        "largest_hessian_eigenvalue": largest,
        "largest_stable_learning_rate": 2 / largest,
    }


def _hessian(problem: Problem, engine: str) -> Tensor:
    """Of a quadratic loss: the gradient is linear, so that a unit step of a parameter changes it by a column."""
    line = problem.layer("line")
    weight, bias = line.weight, line.bias

    def gradient_at(w: float, b: float) -> Tensor:
        with torch.no_grad():
            weight.fill_(w)
            bias.fill_(b)
        with ENGINES[engine]() as run:
            loss = problem.loss(problem.model(problem.inputs), problem.target)
        return torch.cat([g.flatten() for g in run.gradients(loss, [weight, bias])])

    start = gradient_at(0.0, 0.0)
    return torch.stack([gradient_at(1.0, 0.0) - start, gradient_at(0.0, 1.0) - start], 1)


@_computes("learning-rate-table")
def _learning_rate_table(example: Example, engine: str) -> Results:
    g = example.given
    rates = g["learning_rates"]
    true = [_weights(problems.line(example, rate), 2, engine) for rate in rates]
    problem = problems.line(example, rates[0])
    _, gradients = problem.look(engine)
    first = torch.cat([gradients["line.weight"].flatten(), gradients["line.bias"]])
    columns = zip(rates, itertools.repeat(first[0].item()), g["printed_2"], strict=False)
    curvatures = [(-2 * rate * slope - printed) / rate**2 for rate, slope, printed in columns]
    return {
        "correct_epoch_1": [w[0] for w in true],
        "correct_epoch_2": [w[1] for w in true],
        "K_from_column_lr_0.01": curvatures[0],
        "K_from_column_lr_0.1": curvatures[1],
        "K_from_column_lr_1": curvatures[2],
        # w2 = -2 r g - r^2 K from w = 0, where K is the first row of the Hessian times the first gradient g, negated.
        "K_true": -(_hessian(problem, engine) @ first)[0],
    }
