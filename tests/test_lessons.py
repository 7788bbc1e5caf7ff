"""The recipes that are studies: what each of them claims, measured anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from manualgrad import nn
from manualgrad.explaining.examples import load
from manualgrad.training.command import main
from manualgrad.training.recipe import load_recipe

# What a full run is to find: the metric, and the range that it must be in.
CLAIMS: dict[str, dict[str, tuple[float, float]]] = {
    "batch_size": {"noise_error": (0, 0.1)},
    "data_parallel": {"gradient_error": (0, 1e-12), "loss_one_is_lost": (0.07, 1)},
    "learning_rate": {"limit": (0.1197561, 0.1197562), "diverged": (2, 2), "weight_0.01": (2.984488, 2.984489)},
    "pass_fail": {"farthest": (0, 0.01)},
    "three_ways": {"by_hand": (0, 1e-9), "functions": (0, 1e-9), "finite_differences": (0, 1e-5)},
    "vanishing_gradients": {"most_of_the_bound": (0, 1), "Sigmoid_Xavier": (0, 1e-10), "ReLU_He": (0.1, 10)},
}
SPLIT_CLAIMS: dict[str, dict[str, tuple[float, float]]] = {  # the mean over the splits 0 to 4
    "overfitting": {
        "test_loss_nothing": (0.15, 1),
        "test_loss_early_stopping": (0, 0.13),
        "test_loss_weight_decay": (0, 0.13),
        "test_loss_dropout": (0, 0.15),
    },
    "robust_regression": {
        "r2_mae_clean": (0.415, 1),
        "mae_mae_clean": (0, 44.2),
        "mae_mse_outliers": (50, 100),
        "mae_mae_outliers": (0, 45),
        "mae_huber_outliers": (0, 45),
    },
}


def metrics(folder: Path, *words: str) -> dict[str, float]:
    """The metrics of a run; the mean of each where it is over several splits."""
    assert main([*words, "--out", str(folder)]) == 0
    found = json.loads((folder / "metrics.json").read_text())
    return {name: value["mean"] if isinstance(value, dict) else value for name, value in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CLAIMS, *SPLIT_CLAIMS])
def test_a_study_finds_what_it_claims(name: str, tmp_path: Path) -> None:
    found = metrics(tmp_path / "run", name, *(("--splits", "5") if name in SPLIT_CLAIMS else ()))
    for metric, (least, most) in (CLAIMS | SPLIT_CLAIMS)[name].items():
        assert least <= found[metric] <= most, metric


def test_a_study_leaves_a_table_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = metrics(tmp_path / "run", "learning_rate", "--epochs", "200")
    table = (tmp_path / "run" / "table.txt").read_text()
    assert table in capsys.readouterr().out
    assert (tmp_path / "run" / "learning_rate.png").read_bytes()[:4] == b"\x89PNG"
    assert table.count("DIVERGES") == first["diverged"] == 2  # flagged, not hidden
    assert first["limit"] == pytest.approx(checks("learning-rate-1.0")["largest_stable_learning_rate"], abs=1e-12)
    assert first == metrics(tmp_path / "again", "learning_rate", "--epochs", "200")


def checks(example: str) -> dict[str, float]:
    """The exact results of a worked example."""
    return {check.name: check.value for check in load()[example].checks}


@pytest.mark.parametrize("rate", [0.01, 0.1, 1.0])
def test_learning_rate_walks_as_the_worked_example(rate: float) -> None:
    exact = checks(f"learning-rate-{rate}")
    path = load_recipe("learning_rate").descend(rate, 1000)
    early = torch.tensor(exact["w_epochs_1_to_4" if rate == 1 else "w_epochs_1_to_10"], dtype=torch.float64)
    assert torch.allclose(path[1 : len(early) + 1, 0], early, rtol=1e-12, atol=1e-12)
    if rate == 1:
        assert len(path) < 1000
        assert path[-2, 2].isfinite()
        assert not path[-1, 2].isfinite()
    else:
        assert path[1000, 0].item() == pytest.approx(exact["w_after_1000"], abs=1e-9)


def test_pass_fail_learns_the_worked_example() -> None:
    example = load()["3-4-1"]
    network = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 1), nn.Sigmoid()).double()
    weights = [torch.tensor(example.given[name], dtype=torch.float64).flatten() for name in ("w1", "b1", "w2", "b2")]
    torch.nn.utils.vector_to_parameters(torch.cat(weights), network.parameters())
    student = (torch.tensor([example.given["x"]]).double(), torch.tensor([example.given["y"]]).double())
    predictions = load_recipe("pass_fail").learn(network, [student] * 7, example.given["learning_rate"])
    for check, p in zip(example.checks, predictions, strict=False):
        assert p.item() == pytest.approx(check.value, abs=check.tolerance)
        assert round(p.item(), 3) == check.printed


def test_the_bayes_accuracy_is_that_of_the_law() -> None:
    recipe = load_recipe("pass_fail")
    p = recipe.law(torch.rand(1_000_000, 3, dtype=torch.float64) * 10)
    drawn = ((p > 0.5) == torch.bernoulli(p).bool()).double().mean().item()
    assert recipe.bayes_accuracy() == pytest.approx(drawn, abs=0.0015)  # four standard deviations
    assert recipe.bayes_accuracy() == pytest.approx(recipe.bayes_accuracy(64), abs=1e-4)


def test_the_noise_of_a_gradient_falls_as_one_by_the_batch() -> None:
    x, y = torch.randn(500, 6), torch.randint(3, (500,))
    network = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    for size, (squares, v) in load_recipe("batch_size").noise(network, x, y, (1, 5, 50), 1000).items():
        assert squares == pytest.approx(v / size, rel=0.1)


def test_three_ways_lead_to_one_training(tmp_path: Path) -> None:
    found = metrics(tmp_path / "run", "three_ways", "--fast")
    for name, (least, most) in CLAIMS["three_ways"].items():
        assert least < found[name] <= most


@pytest.mark.parametrize("start", ["torch", "Xavier", "He"])
def test_the_sigmoids_gradient_keeps_to_its_bound(start: str) -> None:
    recipe = load_recipe("vanishing_gradients")
    x, y = torch.randn(50, 64), torch.randint(10, (50,))
    norms, bounds = recipe.gradient_norms(*recipe.layers(6, "Sigmoid", start, "none"), x, y)
    assert len(norms) == len(bounds) == 7
    assert all(norm <= bound * (1 + 1e-6) for norm, bound in zip(norms, bounds, strict=True))
    assert bounds[0] < norms[-1] / 2  # and the bound says something


@pytest.mark.parametrize("sizes", [(3, 3), (7, 1), (1, 4, 2), (5, 1, 1, 2, 6)])
def test_replicas_have_the_gradient_of_one_process(sizes: tuple[int, ...]) -> None:
    recipe = load_recipe("data_parallel")
    network = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1), nn.Flatten(0)).double()
    x, y = torch.randn(sum(sizes), 4).double(), torch.randint(2, (sum(sizes),)).double()
    given = [recipe.contribution(network, *shard) for shard in zip(x.split(sizes), y.split(sizes), strict=True)]
    sums, sent = recipe.all_reduce([g.clone() for g in given])
    network.zero_grad()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(network(x), y)
    exact = torch.cat([g.flatten() for g in torch.autograd.grad(loss, [*network.parameters()])])
    assert len(sums) == len(sizes)
    for total in sums:
        assert torch.equal(total, sums[0])  # the replicas stay one network, to the bit
        assert torch.allclose(total[:-2] / total[-1], exact, rtol=0, atol=1e-12)
        assert total[-1] == sum(sizes)
        assert total[-2].item() == pytest.approx(loss.item() * sum(sizes))
    assert sent == 2 * (len(sizes) - 1) * given[0].nbytes  # by all: 2 (N - 1) / N vectors by each


def test_data_parallel_at_a_glance(tmp_path: Path) -> None:
    found = metrics(tmp_path / "run", "data_parallel", "--steps", "20", "--replicas", "3")
    assert 0 < found["gradient_error"] < 1e-12
    assert found["loss_weighted_mean"] == pytest.approx(found["loss_one_process"], abs=1e-12)
    assert abs(found["loss_plain_mean"] - found["loss_one_process"]) > 1e-4
    assert abs(found["loss_one_is_lost"] - found["loss_one_process"]) > 1e-4


def test_outliers_are_added_to_training_targets_only() -> None:
    recipe = load_recipe("robust_regression")
    config = recipe.Config()
    (_, clean), (_, hit) = (recipe.learner_and_data(config, nn.L1Loss(), outliers) for outliers in (False, True))
    assert torch.equal(clean.parts["test"][1], hit.parts["test"][1])
    assert torch.equal(clean.parts["validation"][1], hit.parts["validation"][1])
    moved = hit.parts["train"][1] - clean.parts["train"][1]
    assert (moved != 0).sum() == round(config.share * len(moved)) == 30
    assert torch.allclose(moved[moved != 0], torch.tensor(config.size * clean.target_scale).float(), rtol=1e-4)
