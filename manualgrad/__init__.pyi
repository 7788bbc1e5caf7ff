from . import functional as functional
from . import nn as nn
from .formula import Formula as Formula
from .tape import Tape as Tape

__version__: str
