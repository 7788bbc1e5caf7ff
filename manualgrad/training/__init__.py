"""Training with Lightning: modules, data modules, run folders and the `manualgrad train` command."""

import lazy_loader

# `manualgrad train` answers a mistake before torch and Lightning are imported.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
