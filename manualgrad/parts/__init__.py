"""What formulas are made of: mathematics that several share, or that is a subject of its own beside its formula."""
