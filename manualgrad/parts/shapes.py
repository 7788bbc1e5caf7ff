"""What is asked of the shapes of several arguments together."""

from torch import Tensor


def check_dimensions(where: str = "", **named: Tensor) -> None:
    """Raise RuntimeError, its message starting with `where`, unless all of the tensors have as many dimensions."""
    if len({x.dim() for x in named.values()}) > 1:
        *names, last = named
        shapes = " and ".join(str(tuple(x.shape)) for x in named.values())
        raise RuntimeError(f"{where}{', '.join(names)} and {last} must have as many dimensions, got {shapes}")
