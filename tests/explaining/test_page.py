"""The page as a file: small, self-contained, well-formed, escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from torch import nn as tnn

from manualgrad import explain
from manualgrad.explaining import Explanation
from tests.explaining import networks

VOID = {"meta", "input", "br"}


class Checker(HTMLParser):
    """Every element that is opened is closed, in order; collects elements, attributes and ids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(explanation: Explanation, folder: Path) -> str:
    return explanation.html(folder / "page.html").read_text(encoding="utf-8")


EXPLANATIONS: dict[str, Callable[[], Explanation]] = {
    "2-2-2": lambda: networks.example("2-2-2"),
    "xyz": lambda: networks.example("xyz"),
    "linear-layer": lambda: networks.example("linear-layer"),
    "digits": networks.digits,
    "wide": networks.wide,
    "several": networks.several,
    "sneaky": networks.sneaky,
}


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_small_self_contained_and_well_formed(name: str, tmp_path: Path) -> None:
    written = page(EXPLANATIONS[name](), tmp_path)
    assert len(written.encode()) < 300_000
    checker = Checker()
    checker.feed(written)
    assert checker.open == []
    assert not {"link", "img", "iframe", "object", "embed", "audio", "video", "a", "use", "image"} & set(checker.tags)
    assert not {"src", "href", "srcset", "action", "xlink:href", "background"} & {
        name for name, _ in checker.attributes
    }
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", written))
    assert addresses <= {"http://www.w3.org/1998/Math/MathML"}  # a namespace, which is never fetched
    assert "url(" not in written
    assert "@import" not in written
    assert "{{" not in written.replace("{{data}}", "")  # the sneaky title holds one
    ids = [value for key, value in checker.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    assert "default-src 'none'" in written


def test_data_that_would_end_the_script(tmp_path: Path) -> None:
    written = page(networks.sneaky(), tmp_path)
    raw = written.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    data = json.loads(raw)
    assert any("</script><script>alert(2)" in name for name in data["links"])
    assert "<img" not in written
    assert written.count("<script") == 2


def test_large_networks_keep_to_the_size(tmp_path: Path) -> None:
    """A hundred and twenty blocks of four layers, and a very long title."""
    torch.manual_seed(0)
    blocks = [tnn.Sequential(tnn.Linear(8, 8), tnn.LayerNorm(8), tnn.ReLU(), tnn.Linear(8, 8)) for _ in range(120)]
    model = tnn.Sequential(*blocks, tnn.Linear(8, 2))
    explanation = explain(model, torch.rand(4, 8), torch.rand(4, 2), tnn.MSELoss(), title="deep " * 200)
    written = page(explanation, tmp_path)
    assert len(written.encode()) < 300_000
    assert "tensors with smaller gradients" in written
    assert written.count('class="item') < 200


def test_without_a_learning_rate_there_is_no_update(tmp_path: Path) -> None:
    written = page(networks.example("xyz"), tmp_path)
    assert 'id="rate"' not in written
    assert 'class="moment update"' not in written
    assert 'id="rate"' in page(networks.example("2-2-2"), tmp_path)


def test_no_unit_is_drawn_of_a_large_layer(tmp_path: Path) -> None:
    written = page(networks.wide(), tmp_path)
    assert "net_0[0]" not in written
    assert "784" in written


def test_the_same_explanation_gives_the_same_page(tmp_path: Path) -> None:
    first = page(networks.example("3-4-1"), tmp_path)
    networks.example.cache_clear()
    assert page(networks.example("3-4-1"), tmp_path) == first


@pytest.mark.parametrize(("width", "words"), [(4, 3), (64, 30)])
def test_a_transformer_layer_fits_on_the_page(width: int, words: int, tmp_path: Path) -> None:
    """Thirty-odd steps, all element to element or of 15360 outputs that no table could go through one by one."""
    torch.manual_seed(0)
    model = tnn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True)
    x = torch.rand(8, words, width)
    explanation = explain(model, x, torch.rand_like(x), tnn.MSELoss())
    assert "back through layer_norm" in explanation.text()
    written = page(explanation, tmp_path)
    assert len(written.encode()) < 300_000
    assert "back through" in written
