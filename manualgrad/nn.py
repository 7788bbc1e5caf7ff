"""The shelf of modules: names and signatures of `torch.nn`, each a subclass of its torch twin that overrides `forward`.

`import manualgrad.nn as nn` in place of `import torch.nn as nn` is enough to build a model on our formulas. Containers and
`Parameter` are torch's own.
"""

from torch.nn import Identity as Identity
from torch.nn import Module as Module
from torch.nn import ModuleDict as ModuleDict
from torch.nn import ModuleList as ModuleList
from torch.nn import Parameter as Parameter
from torch.nn import ParameterDict as ParameterDict
from torch.nn import ParameterList as ParameterList
from torch.nn import Sequential as Sequential
from torch.nn import init as init
from torch.nn import utils as utils

from manualgrad.formulas.conv import Conv1d as Conv1d
from manualgrad.formulas.conv import Conv2d as Conv2d
from manualgrad.formulas.conv import Conv3d as Conv3d
from manualgrad.formulas.conv import LazyConv1d as LazyConv1d
from manualgrad.formulas.conv import LazyConv2d as LazyConv2d
from manualgrad.formulas.conv import LazyConv3d as LazyConv3d
from manualgrad.formulas.linear import Linear as Linear
from manualgrad.formulas.sigmoid import Sigmoid as Sigmoid
