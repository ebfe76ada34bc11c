"""Runs one job for a shim: the same in an agent and, where there is none, in the stand-in's own process."""
