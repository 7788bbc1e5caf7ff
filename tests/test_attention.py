"""Multi-head attention and the transformer layers: every option of torch's modules, values and gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch import nn as tnn

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.formulas import attention


def tensor(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def assert_twins(name: str, arguments: tuple[Any, ...], keywords: dict[str, Any], *inputs: Tensor, **call: Any) -> None:
    """Build ours and torch's with the same parameters; compare outputs and gradients, in training."""
    torch.manual_seed(0)
    ours = getattr(nn, name)(*arguments, **keywords).double()
    theirs = getattr(tnn, name)(*arguments, **keywords).double()
    theirs.load_state_dict(ours.state_dict())
    floating = [v for v in (*inputs, *call.values()) if isinstance(v, Tensor) and v.requires_grad]
    leaves = list(dict.fromkeys(floating))
    found = []
    for module in (ours, theirs):
        torch.manual_seed(1)  # for dropout
        outputs = [o for o in torch.utils._pytree.tree_leaves(module(*inputs, **call)) if isinstance(o, Tensor)]
        dys = [torch.linspace(-1, 1, o.numel(), dtype=o.dtype).view(o.shape) for o in outputs]
        wanted = [*leaves, *module.parameters()]
        found.append([*outputs, *torch.autograd.grad(outputs, wanted, dys, allow_unused=True)])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)


PADDING = torch.tensor([[False, False, False, True, True], [False, False, False, False, True]])


@pytest.mark.parametrize(
    ("keywords", "call"),
    [
        ({}, {}),
        ({}, {"need_weights": False}),
        ({"bias": False}, {}),
        ({"dropout": 0.3}, {}),
        ({"kdim": 5, "vdim": 3}, {}),
        ({"add_bias_kv": True, "add_zero_attn": True}, {"key_padding_mask": PADDING}),
        ({}, {"average_attn_weights": False}),
        ({}, {"key_padding_mask": PADDING, "need_weights": False}),
        ({}, {"attn_mask": torch.triu(torch.ones(4, 5), 2).bool(), "need_weights": False}),
        ({}, {"attn_mask": torch.triu(torch.ones(4, 5), 1).bool(), "need_weights": False, "is_causal": True}),
        ({}, {"attn_mask": (4, 4, 5)}),
        ({}, {"attn_mask": (4, 5), "key_padding_mask": PADDING.double()}),
    ],
)
def test_multihead_attention(keywords: dict[str, Any], call: dict[str, Any]) -> None:
    call = {k: tensor(*v) if isinstance(v, tuple) else v for k, v in call.items()}
    key, value = tensor(5, 2, keywords.get("kdim", 8)), tensor(5, 2, keywords.get("vdim", 8))
    assert_twins("MultiheadAttention", (8, 2), keywords, tensor(4, 2, 8), key, value, **call)


def test_multihead_attention_of_one_sequence_with_itself() -> None:
    x, y = tensor(4, 2, 8), tensor(4, 8)
    assert_twins("MultiheadAttention", (8, 2), {"batch_first": True}, x, x, x)
    assert_twins("MultiheadAttention", (8, 2), {}, y, y, y)


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"norm_first": True, "batch_first": True},
        {"dropout": 0.0, "activation": "gelu", "layer_norm_eps": 1e-3},
        {"bias": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["TransformerEncoderLayer", "TransformerDecoderLayer"])
def test_transformer_layers(name: str, keywords: dict[str, Any]) -> None:
    inputs = [tensor(4, 3, 8) for _ in range(1 if "Encoder" in name else 2)]
    assert_twins(name, (8, 2, 16), keywords, *inputs)


def test_stacks_of_layers() -> None:
    torch.manual_seed(0)
    for stack, layer, inputs in (
        ("TransformerEncoder", tnn.TransformerEncoderLayer(8, 2, 16, batch_first=True), [tensor(3, 4, 8)]),
        ("TransformerDecoder", tnn.TransformerDecoderLayer(8, 2, 16), [tensor(4, 3, 8), tensor(5, 3, 8)]),
    ):
        assert_twins(stack, (layer, 2, tnn.LayerNorm(8)), {}, *inputs)
    assert_twins(
        "Transformer", (8, 2, 1, 1, 16), {"activation": "gelu", "batch_first": True}, tensor(3, 4, 8), tensor(3, 5, 8)
    )


def test_queries_in_blocks_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v, mask = tensor(2, 7, 3), tensor(2, 6, 3), tensor(2, 6, 4), tensor(7, 6)
    found = []
    for block in (1 << 22, 25):
        monkeypatch.setattr(attention, "BLOCK", block)
        y = F.scaled_dot_product_attention(q, k, v, mask)
        found.append(torch.autograd.grad(y.square().sum(), (q, k, v, mask)))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


def test_dropout_of_attention_draws_what_torch_draws() -> None:
    q, k, v = tensor(2, 4, 3), tensor(2, 5, 3), tensor(2, 5, 3)
    found = []
    for function in (F.scaled_dot_product_attention, torch.nn.functional.scaled_dot_product_attention):
        torch.manual_seed(0)
        y = function(q, k, v, dropout_p=0.4)
        found.append([y, *torch.autograd.grad(y.square().sum(), (q, k, v))])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


def test_causal_without_its_mask_is_refused() -> None:
    x = tensor(4, 2, 8)
    with pytest.raises(RuntimeError, match="attn_mask must be given where is_causal"):
        nn.MultiheadAttention(8, 2).double()(x, x, x, is_causal=True)
