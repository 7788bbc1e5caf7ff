"""Callbacks that watch the gradients of a Learner: are they right, do they reach every layer, are they numbers."""
