"""What the recipes are made of works under LightningCLI: it reads their modules' arguments and writes them as YAML."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.cli import LightningCLI

from manualgrad import training
from manualgrad.training.recipe import configure, load_recipe, parser_of, recipes

# Of the recipes that train a Learner; mnist's rows are the user's to bring.
LEARNERS = [name for name in recipes() if hasattr(load_recipe(name), "build") and name != "mnist"]
NETWORK = ["--model.network=torch.nn.Linear", "--model.network.in_features=64", "--model.network.out_features=10"]


def parts(name: str) -> tuple[Any, Any]:
    """The learner and the data of a recipe in its fast form."""
    recipe = load_recipe(name)
    options = parser_of(recipe, fast=True).parse_args([])
    for option in ("config", "fast"):
        options.pop(option, None)
    return recipe.build(configure(recipe.Config, options))


def arguments(kind: type) -> list[str]:
    """Those that have no default, of a learner."""
    loss = "torch.nn.CrossEntropyLoss" if kind is training.Classifier else "torch.nn.MSELoss"
    given = {"classes": "10", "loss": loss, "optimizer": "torch.optim.Adam", "scheduler": "null"}
    given |= {"engine": "autograd", "metrics": "{}"}
    needed = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty and p.name != "network"]
    return [*NETWORK, *(f"--model.{p.name}={given[p.name]}" for p in needed)]


@pytest.mark.parametrize("name", LEARNERS)
def test_modules_and_data_of_a_recipe(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, data = parts(name)
    assert isinstance(learner, LightningModule)
    assert isinstance(data, LightningDataModule)
    monkeypatch.setattr("sys.argv", ["program.py", "fit", *arguments(type(learner)), "--print_config"])
    with pytest.raises(SystemExit) as end:
        LightningCLI(type(learner), type(data), save_config_callback=None)
    assert end.value.code == 0
    written = capsys.readouterr().out
    assert "class_path: torch.nn.Linear" in written
    sections = dict(re.findall(r"^(\w+):\n((?: +.*\n)+)", written, re.MULTILINE))
    for section, kind in (("model", learner), ("data", data)):
        keys = re.findall(r"^  (\w+):", sections[section], re.MULTILINE)
        assert keys == list(inspect.signature(type(kind)).parameters)
