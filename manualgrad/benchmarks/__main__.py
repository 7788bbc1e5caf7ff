import sys

from manualgrad.cli import main

raise SystemExit(main(["bench", *sys.argv[1:]]))
