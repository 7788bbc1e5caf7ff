"""convert and revert: the same model with other gradients."""

import copy
import warnings

import pytest
import torch
from torch import nn as tnn

import manualgrad
from manualgrad import nn
from manualgrad.conversion import MODULE_TWINS


class Someone(tnn.Module):
    """A model that knows nothing of this package, with a layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.body = tnn.Sequential(tnn.Linear(4, 6), tnn.Sigmoid(), tnn.Linear(6, 6))
        self.head = tnn.ModuleDict({"out": tnn.Linear(6, 2)})
        self.again = self.body[2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head["out"](torch.sigmoid(self.again(self.body(x))))


def test_same_outputs_and_gradients() -> None:
    torch.manual_seed(0)
    model = Someone().double()
    original = copy.deepcopy(model)
    result = manualgrad.convert(model)
    assert set(result.changed) == {"body.0", "body.1", "body.2", "head.out"}
    assert not result.left
    x = torch.randn(5, 4, dtype=torch.float64)
    for m in (model, original):
        m(x).square().sum().backward()
    for (name, p), q in zip(model.named_parameters(), original.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-12, atol=1e-12, msg=name)


def test_identity_of_everything_else() -> None:
    model = Someone().bfloat16().eval()
    parameters = list(model.parameters())
    keys = list(model.state_dict())
    calls: list[str] = []
    model.body[0].register_forward_hook(lambda *_: calls.append("hook"))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    manualgrad.convert(model)
    assert all(p is q for p, q in zip(model.parameters(), parameters, strict=True))
    assert list(model.state_dict()) == keys
    assert not model.body[0].training
    assert model.body[0].weight.dtype is torch.bfloat16
    before = model.body[0].weight.clone()
    model(torch.randn(3, 4, dtype=torch.bfloat16)).sum().backward()
    optimizer.step()
    assert calls == ["hook"]
    assert not torch.equal(model.body[0].weight, before)


def test_revert_is_the_inverse() -> None:
    model = Someone()
    kinds = [type(m) for m in model.modules()]
    manualgrad.convert(model)
    assert [type(m) for m in model.modules()] != kinds
    manualgrad.revert(model)
    assert [type(m) for m in model.modules()] == kinds
    assert not manualgrad.revert(model).changed


def test_a_bare_layer() -> None:
    layer = tnn.Linear(3, 2)
    assert manualgrad.convert(layer).changed == {"": "Linear"}
    assert type(layer) is nn.Linear


def test_what_is_left_is_named() -> None:
    class Scaled(tnn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    patched = tnn.Linear(2, 2)
    patched.forward = torch.neg  # type: ignore[method-assign]
    model = tnn.Sequential(Scaled(3, 2), tnn.Linear(2, 2), patched)
    result = manualgrad.convert(model)
    assert set(result.left) == {"0", "2"}
    assert "subclass of Linear" in result.left["0"]
    assert "forward was replaced" in result.left["2"]
    assert "left 0: Scaled is a subclass of Linear" in str(result)


def test_strict_changes_nothing_when_something_is_left() -> None:
    class Mine(tnn.Linear):
        pass

    model = tnn.Sequential(tnn.Linear(3, 2), Mine(2, 2))
    with pytest.raises(RuntimeError, match="1: Mine is a subclass of Linear"):
        manualgrad.convert(model, strict=True)
    assert type(model[0]) is tnn.Linear


def test_not_a_module() -> None:
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got int"):
        manualgrad.convert(3)  # type: ignore[arg-type]


def test_parametrised_layers() -> None:
    torch.manual_seed(0)
    model = tnn.utils.parametrizations.weight_norm(tnn.Linear(4, 3)).double()
    original = copy.deepcopy(model)
    assert manualgrad.convert(model).changed == {"": "Linear", "parametrizations.weight.0": "WeightNorm"}
    assert isinstance(model, nn.Linear)
    x = torch.randn(5, 4, dtype=torch.float64)
    for m in (model, original):
        m(x).square().sum().backward()
    for p, q in zip(model.parameters(), original.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)
    manualgrad.revert(model)
    assert type(model).__bases__ == (tnn.Linear,)


@pytest.mark.parametrize("twin", MODULE_TWINS, ids=lambda k: k.__name__)
def test_every_twin_overrides_forward_only(twin: type[tnn.Module]) -> None:
    ours = MODULE_TWINS[twin]
    assert ours.__bases__ == (twin,)
    own = {name for name in vars(ours) if not name.startswith("__")}
    assert own <= {"forward"} | set(vars(twin))


def test_shared_storage_of_a_compiled_model() -> None:
    model = tnn.Sequential(tnn.Linear(3, 3), tnn.Sigmoid())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = torch.compile(model, backend="aot_eager")
    assert isinstance(compiled, tnn.Module)
    manualgrad.convert(compiled)
    assert type(model[0]) is nn.Linear
    torch.testing.assert_close(compiled(torch.ones(1, 3)), model(torch.ones(1, 3)))
