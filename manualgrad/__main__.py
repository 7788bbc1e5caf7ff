"""`python -m manualgrad` is the `manualgrad` command."""

import sys

from manualgrad.cli import main

if __name__ == "__main__":
    sys.exit(main())
