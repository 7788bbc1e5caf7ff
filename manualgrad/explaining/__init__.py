"""The chain rule made visible: as text, as a figure, as a page that can be stepped through, and model beside model."""

import lazy_loader

# Importing this package does not import torch, so that `manualgrad explain` answers a mistake at once.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
