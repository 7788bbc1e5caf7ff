"""Models as people write them in plain torch: converted, by hand and on the tape, they give torch's own gradients."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import manualgrad
from manualgrad.formula import FormulaError
from manualgrad.redirection import by_hand


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.short(x))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.blocks = nn.Sequential(Residual(4, 4, 1), Residual(4, 6, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.SiLU())
        self.down2 = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(4), nn.ELU()
        )
        self.up = nn.ConvTranspose2d(4, 3, 2, stride=2)
        self.resize = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.out = nn.Conv2d(10, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(F.avg_pool2d(a, 2))
        return self.out(torch.cat([a, self.up(b), self.resize(b)], 1))


class Translator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.body = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) * math.sqrt(8)
        causal = self.body.generate_square_subsequent_mask(tokens.shape[1], dtype=x.dtype)
        return self.head(self.body(x, x, tgt_mask=causal))


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 5, padding_idx=0)
        self.lstm = nn.LSTM(5, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.log_softmax(self.head(self.lstm(self.embed(tokens))[0]), dim=-1)


class Block(nn.Module):
    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(approximate="tanh"), nn.Linear(2 * width, width))
        self.heads, self.causal = heads, causal

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).split(width, dim=2)
        q, k, v = (s.view(batch, length, self.heads, width // self.heads).transpose(1, 2) for s in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.project(y.transpose(1, 2).contiguous().view(batch, length, width))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(11, 8), nn.Embedding(16, 8)
        self.blocks = nn.ModuleList([Block(8, 2, causal=True) for _ in range(2)])
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.tokens.weight  # tied

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.first = nn.Parameter(torch.randn(1, 1, 8))
        self.places = nn.Parameter(torch.randn(1, 5, 8))
        self.blocks = nn.Sequential(Block(8, 2, causal=False), Block(8, 2, causal=False))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], dim=1) + self.places
        return self.head(self.blocks(x)[:, 0])


def image(channels: int) -> Tensor:
    return torch.randn(2, channels, 8, 8, dtype=torch.float64)


def tokens() -> Tensor:
    return torch.randint(0, 11, (2, 6))


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "ResNet": (ResNet, lambda: image(3)),
    "U-Net": (UNet, lambda: image(1)),
    "Transformer": (Translator, tokens),
    "LSTM tagger": (Tagger, tokens),
    "GPT": (GPT, tokens),
    "ViT": (ViT, lambda: image(3)),
}


@pytest.fixture(params=MODELS)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    build, draw = MODELS[request.param]
    return build().double(), draw()


def result(model: nn.Module, x: Tensor) -> list[Tensor]:
    """The output, and the gradient of every parameter for a fixed upstream gradient."""
    y = model(x)
    dy = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
    return [y, *torch.autograd.grad(y, list(model.parameters()), dy)]


def assert_equal(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_converted(case: tuple[nn.Module, Tensor]) -> None:
    model, x = case
    expected = result(copy.deepcopy(model), x)
    report = manualgrad.convert(model, strict=True)
    assert not report.left
    assert_equal(result(model, x), expected)


def test_reverted(case: tuple[nn.Module, Tensor]) -> None:
    model, x = case
    kinds = [type(m) for m in model.modules()]
    expected = result(copy.deepcopy(model), x)
    manualgrad.convert(model)
    manualgrad.revert(model)
    assert [type(m) for m in model.modules()] == kinds
    assert_equal(result(model, x), expected)


def test_by_hand(case: tuple[nn.Module, Tensor]) -> None:
    """Every function that the model calls has a formula, down to the residual sums."""
    model, x = case
    expected = result(copy.deepcopy(model), x)
    with by_hand():
        y = model(x)
    dy = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
    assert_equal([y, *torch.autograd.grad(y, list(model.parameters()), dy)], expected)


def test_on_the_tape(case: tuple[nn.Module, Tensor]) -> None:
    model, x = case
    expected = result(copy.deepcopy(model), x)
    with manualgrad.Tape() as tape:
        y = model(x)
    tape.backward(y, torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape))
    gradients = [p.grad for p in model.parameters()]
    assert all(g is not None for g in gradients)
    assert_equal([y, *(g for g in gradients if g is not None)], expected)


def test_played_back(case: tuple[nn.Module, Tensor]) -> None:
    """The second call is played: on another batch, from the state that the first has left."""
    model, x = case
    torch.manual_seed(1)
    others = [x, torch.randint_like(x, 11) if x.dtype is torch.int64 else torch.randn_like(x)]
    expected = copy.deepcopy(model)
    for other in others:
        theirs = result(expected, other)

    def weighted(x: Tensor) -> tuple[Tensor, Tensor]:
        y = model(x)
        return (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)).sum(), y

    step = manualgrad.Playback(weighted)
    if isinstance(model, Translator):  # torch compares the mask with a causal one, to find out what it is
        with pytest.raises(FormulaError, match="__bool__ looks at the values"):
            step(x)
        return
    for other in others:
        _, y = step(other)
    assert_equal([y, *(p.grad for p in model.parameters() if p.grad is not None)], theirs)
