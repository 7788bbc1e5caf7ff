from . import functional as functional
from . import nn as nn
from .checking import check as check
from .conversion import convert as convert
from .conversion import revert as revert
from .explaining import assert_parity as assert_parity
from .explaining import compare as compare
from .explaining import explain as explain
from .formula import Formula as Formula
from .playback import Playback as Playback
from .redirection import by_hand as by_hand
from .tape import Tape as Tape

__version__: str
