"""Every spelling that torch has for a function on our shelf: `TWINS` maps torch's functions to ours.

The tape and `by_hand` look up here what a model calls.
"""

from manualgrad.spellings.adapting import torch_names as torch_names
from manualgrad.spellings.in_place import IN_PLACE as IN_PLACE
from manualgrad.spellings.pass_through import PASS_THROUGH as PASS_THROUGH
from manualgrad.spellings.twins import COMPOSITIONS as COMPOSITIONS
from manualgrad.spellings.twins import TWINS as TWINS
