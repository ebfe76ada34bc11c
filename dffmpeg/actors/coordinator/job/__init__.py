"""The actor of one live job, and its parts."""
