from .backward_network import BackwardNetwork as BackwardNetwork
from .differences import FiniteDifferences as FiniteDifferences
from .explanation import Explanation as Explanation
from .explanation import explain as explain
from .parity import Comparison as Comparison
from .parity import assert_parity as assert_parity
from .parity import compare as compare
from .route import Route as Route
