from .checker import check as check
from .report import CheckError as CheckError
from .report import Finding as Finding
from .report import GradientError as GradientError
from .report import Report as Report
