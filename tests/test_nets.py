"""The recipes of larger networks: convolution, recurrence, attention, and what can be done with trained ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from manualgrad import nn, training
from manualgrad.formula import Formula
from manualgrad.training.command import main
from manualgrad.training.recipe import OPTIONS, configure, load_recipe, parser_of

# What a full run is to find: the metric, and the range that it must be in.
Claims = dict[str, dict[str, tuple[float, float]]]
CLAIMS: Claims = {
    "dream_digit": {"dream_probability": (0.99, 1), "fooled": (1, 1), "fooled_at_random": (0, 0.05)},
    "memory": {"test_error_RNN": (0.1, 0.2), "test_error_LSTM": (0, 0.01), "test_error_GRU": (0, 0.01)},
    "tiny_gpt": {"val_loss_over_torch": (0.995, 1.005), "val_loss_over_trigram": (0, 0.99)},
}
SPLIT_CLAIMS: Claims = {  # the mean over the splits 0 to 4
    "digits_attention": {"test_accuracy": (0.977, 1)},
    "digits_cnn": {"test_accuracy": (0.987, 1)},
    "digits_lstm": {"test_accuracy": (0.973, 1)},
    "masked_digits": {"test_mean_image_over_error": (3, 100), "test_code_probe": (0.93, 1)},
}
FAST_CLAIMS: Claims = {
    "digits_attention": {"test_accuracy": (0.3, 1)},
    "digits_cnn": {"test_accuracy": (0.7, 1)},
    "digits_lstm": {"test_accuracy": (0.4, 1)},
    "dream_digit": {"dream_probability": (0.9, 1), "fooled": (1, 1), "fooled_at_random": (0, 0.05)},
    "masked_digits": {"test_mean_image_over_error": (1, 2), "test_code_probe": (0.5, 1)},
    "memory": {"untrained_gradient_RNN": (1e-6, 1e-2), "untrained_gradient_LSTM": (1e-2, 1)},
    "tiny_gpt": {"val_loss_over_torch": (0.9999, 1.0001), "val_loss_ours": (2.5, 3.5)},
}
LEARNERS = [name for name in FAST_CLAIMS if hasattr(load_recipe(name), "build")]


def check(metrics: dict[str, Any], claims: dict[str, tuple[float, float]]) -> None:
    for metric, (least, most) in claims.items():
        found = metrics[metric]["mean"] if isinstance(metrics[metric], dict) else metrics[metric]
        assert least <= found <= most, metric


def fast(name: str, *words: str) -> tuple[Any, Any]:
    """The recipe and its configuration for a fast run."""
    recipe = load_recipe(name)
    options = parser_of(recipe, fast=True).parse_args(words)
    for option in OPTIONS:
        options.pop(option, None)
    return recipe, configure(recipe.Config, options)


@pytest.mark.parametrize("name", FAST_CLAIMS)
def test_a_fast_run_by_either_engine(name: str, tmp_path: Path) -> None:
    assert main([name, "--fast", "--out", str(tmp_path / "run")]) == 0
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    check(found, FAST_CLAIMS[name])
    assert (tmp_path / "run" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    if name in LEARNERS:
        recipe, config = fast(name, "--engine", "tape")
        torch.manual_seed(config.seed)
        learner, data = recipe.build(config)
        with training.Run(name, tmp_path / "tape") as run:
            tape = training.fit(learner, data, config.trainer, run, say=lambda line: None)
        same = found.get("test_loss", found.get("test_loss_ours"))
        assert tape["test_loss"] == pytest.approx(same, rel=1e-4)


@pytest.mark.parametrize("name", LEARNERS)
def test_every_gradient_is_ours(name: str) -> None:
    recipe, config = fast(name)
    learner, data = recipe.build(config)
    x, y = (rows[:4] for rows in data.parts["train"])
    nodes: list[Any] = [learner.objective(learner(x), y).grad_fn]
    seen: set[Any] = set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            nodes += [before for before, _ in node.next_functions]
    leaves = [node for node in seen if hasattr(node, "variable")]
    assert {id(node.variable) for node in leaves} == {id(p) for p in learner.parameters()}
    foreign = [
        n.name() for n in seen if n not in leaves and not issubclass(getattr(n, "_forward_cls", object), Formula)
    ]
    assert not foreign


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CLAIMS, *SPLIT_CLAIMS])
def test_a_full_run_finds_what_it_claims(name: str, tmp_path: Path) -> None:
    words = ["--splits", "5"] if name in SPLIT_CLAIMS else []
    assert main([name, *words, "--out", str(tmp_path / "run")]) == 0
    check(json.loads((tmp_path / "run" / "metrics.json").read_text()), (CLAIMS | SPLIT_CLAIMS)[name])


def test_the_smallest_change_of_a_linear_classifier_is_known() -> None:
    network = nn.Linear(3, 2, dtype=torch.float64)
    x = torch.tensor([[1.0, -2.0, 0.5], [0.3, 0.1, 4.0]], dtype=torch.float64)
    w, b = network.weight[1] - network.weight[0], network.bias[1] - network.bias[0]
    distance = (x @ w + b).abs() / w.norm()
    change = training.smallest_change(network, x)
    assert change.norm(dim=1).detach() == pytest.approx(1.02 * distance.detach(), rel=0.01)
    assert (network(x).argmax(dim=1) != network(x + change).argmax(dim=1)).all()
    assert network.weight.grad is None


def test_the_parts_of_a_text(tmp_path: Path) -> None:
    text = "".join(chr(97 + k % 7) * (k % 5 + 1) for k in range(400))
    (tmp_path / "text.txt").write_text(text)
    data = training.Text(8, str(tmp_path / "text.txt"), split=2)
    data.setup()
    tenth = len(text) // 10
    assert data.decode(data.texts["test"]) == text[7 * len(text) // 10 : 8 * len(text) // 10]
    assert data.decode(data.texts["validation"]) == text[6 * len(text) // 10 : 7 * len(text) // 10]
    assert len(data.texts["train"]) == pytest.approx(8 * tenth, abs=2)
    x, y = data.parts["test"]
    assert torch.equal(x[:, 1:], y[:, :-1])
    assert data.decode(y.flatten()) == data.decode(data.texts["test"])[1 : 1 + y.numel()]
    with pytest.raises(training.DataError, match="are too few for windows of 500"):
        training.Text(500, str(tmp_path / "text.txt")).setup()


def test_a_trigram_model_is_a_distribution() -> None:
    train = torch.randint(0, 4, (300,), generator=torch.Generator().manual_seed(0))
    for before in (torch.tensor([0, 1]), torch.tensor([3, 5])):  # 5 was never seen
        losses = [training.trigram_loss(train, torch.cat((before, torch.tensor([z]))), 6) for z in range(6)]
        assert torch.tensor(losses).neg().exp().sum() == pytest.approx(1)
