"""The shelf of modules: names and signatures of `torch.nn`, each a subclass of its torch twin that overrides `forward`.

`import manualgrad.nn as nn` in place of `import torch.nn as nn` is enough to build a model on our formulas. What has no
derivative of its own is torch's: containers, `Parameter`, `init`, and modules that only rearrange their input.
"""

from torch.nn import Buffer as Buffer
from torch.nn import ChannelShuffle as ChannelShuffle
from torch.nn import Container as Container
from torch.nn import DataParallel as DataParallel
from torch.nn import Flatten as Flatten
from torch.nn import Identity as Identity
from torch.nn import Module as Module
from torch.nn import ModuleDict as ModuleDict
from torch.nn import ModuleList as ModuleList
from torch.nn import Parameter as Parameter
from torch.nn import ParameterDict as ParameterDict
from torch.nn import ParameterList as ParameterList
from torch.nn import Sequential as Sequential
from torch.nn import Unflatten as Unflatten
from torch.nn import UninitializedBuffer as UninitializedBuffer
from torch.nn import UninitializedParameter as UninitializedParameter
from torch.nn import common_types as common_types
from torch.nn import factory_kwargs as factory_kwargs
from torch.nn import grad as grad
from torch.nn import init as init
from torch.nn import modules as modules
from torch.nn import parallel as parallel
from torch.nn import parameter as parameter
from torch.nn import utils as utils

from manualgrad import functional as functional
from manualgrad.formulas.adaptive_max_pool import AdaptiveMaxPool1d as AdaptiveMaxPool1d
from manualgrad.formulas.adaptive_max_pool import AdaptiveMaxPool2d as AdaptiveMaxPool2d
from manualgrad.formulas.adaptive_max_pool import AdaptiveMaxPool3d as AdaptiveMaxPool3d
from manualgrad.formulas.bilinear import Bilinear as Bilinear
from manualgrad.formulas.binary_cross_entropy import BCELoss as BCELoss
from manualgrad.formulas.binary_cross_entropy_with_logits import BCEWithLogitsLoss as BCEWithLogitsLoss
from manualgrad.formulas.conv import Conv1d as Conv1d
from manualgrad.formulas.conv import Conv2d as Conv2d
from manualgrad.formulas.conv import Conv3d as Conv3d
from manualgrad.formulas.conv import LazyConv1d as LazyConv1d
from manualgrad.formulas.conv import LazyConv2d as LazyConv2d
from manualgrad.formulas.conv import LazyConv3d as LazyConv3d
from manualgrad.formulas.conv_transpose import ConvTranspose1d as ConvTranspose1d
from manualgrad.formulas.conv_transpose import ConvTranspose2d as ConvTranspose2d
from manualgrad.formulas.conv_transpose import ConvTranspose3d as ConvTranspose3d
from manualgrad.formulas.conv_transpose import LazyConvTranspose1d as LazyConvTranspose1d
from manualgrad.formulas.conv_transpose import LazyConvTranspose2d as LazyConvTranspose2d
from manualgrad.formulas.conv_transpose import LazyConvTranspose3d as LazyConvTranspose3d
from manualgrad.formulas.cross_entropy import CrossEntropyLoss as CrossEntropyLoss
from manualgrad.formulas.fractional_max_pool import FractionalMaxPool2d as FractionalMaxPool2d
from manualgrad.formulas.fractional_max_pool import FractionalMaxPool3d as FractionalMaxPool3d
from manualgrad.formulas.half_mse_loss import HalfMSELoss as HalfMSELoss
from manualgrad.formulas.hinge_embedding_loss import HingeEmbeddingLoss as HingeEmbeddingLoss
from manualgrad.formulas.hinge_loss import HingeLoss as HingeLoss
from manualgrad.formulas.huber_loss import HuberLoss as HuberLoss
from manualgrad.formulas.kl_div import KLDivLoss as KLDivLoss
from manualgrad.formulas.l1_loss import L1Loss as L1Loss
from manualgrad.formulas.linear import Linear as Linear
from manualgrad.formulas.log_softmax import LogSoftmax as LogSoftmax
from manualgrad.formulas.logsigmoid import LogSigmoid as LogSigmoid
from manualgrad.formulas.max_pool import MaxPool1d as MaxPool1d
from manualgrad.formulas.max_pool import MaxPool2d as MaxPool2d
from manualgrad.formulas.max_pool import MaxPool3d as MaxPool3d
from manualgrad.formulas.max_unpool import MaxUnpool1d as MaxUnpool1d
from manualgrad.formulas.max_unpool import MaxUnpool2d as MaxUnpool2d
from manualgrad.formulas.max_unpool import MaxUnpool3d as MaxUnpool3d
from manualgrad.formulas.mse_loss import MSELoss as MSELoss
from manualgrad.formulas.nll_loss import NLLLoss as NLLLoss
from manualgrad.formulas.relu import ReLU as ReLU
from manualgrad.formulas.sigmoid import Sigmoid as Sigmoid
from manualgrad.formulas.smooth_l1_loss import SmoothL1Loss as SmoothL1Loss
from manualgrad.formulas.softmax import Softmax as Softmax
from manualgrad.formulas.tanh import Tanh as Tanh
