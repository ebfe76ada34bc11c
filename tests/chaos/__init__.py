"""Whole clusters of real processes under fire, for as long as one likes: python -m tests.chaos --help

What must be true of whatever happened is in `history`, and knows nothing of how it happened.
"""
