"""Steps that are shown as one: each by itself, or, where they are too many, runs of steps of one module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from manualgrad.explaining.trace import PARAMETER, Operation, Quantity

MOST = 60


@dataclass(eq=False)
class Group:
    """Steps in a row: nearly always a single one."""

    steps: list[Operation]
    layer: str

    @property
    def title(self) -> str:
        return self.steps[0].title if len(self.steps) == 1 else f"{len(self.steps)} steps"

    @property
    def makes(self) -> list[Quantity]:
        return [q for op in self.steps for q in op.outputs]

    @property
    def takes(self) -> list[Quantity]:
        """The quantities from outside that its steps use, each once; of several steps, not their parameters."""
        inside = set(self.makes)
        found = [q for op in self.steps for _, q in op.tensors if q not in inside]
        if len(self.steps) > 1:
            found = [q for q in found if q.role != PARAMETER]
        return list(dict.fromkeys(found))

    @property
    def goes_back(self) -> bool:
        """Whether a gradient flows back through it."""
        return any(op.output.gradient is not None for op in self.steps)


def grouped(operations: Sequence[Operation], most: int = MOST) -> list[Group]:
    """The steps one by one, or as fine as `most` groups allow."""
    if len(operations) <= most:
        return [Group([op], op.layer) for op in operations]
    for depth in range(max(op.layer.count(".") for op in operations) + 1, 0, -1):
        groups: list[Group] = []
        for op in operations:
            module = ".".join(op.layer.split(".")[:depth])
            if groups and module == groups[-1].layer:
                groups[-1].steps.append(op)
            else:
                groups.append(Group([op], module))
        if len(groups) <= most:
            return groups
    run = -(-len(operations) // most)
    return [Group(list(operations[i : i + run]), operations[i].layer) for i in range(0, len(operations), run)]
