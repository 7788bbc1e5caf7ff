"""Ours beside torch, paired in one run: `python -m manualgrad.benchmarks`."""
