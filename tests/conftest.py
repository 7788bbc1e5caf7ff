"""What all tests share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts from the same seed, whichever ran before it."""
    torch.manual_seed(0)
