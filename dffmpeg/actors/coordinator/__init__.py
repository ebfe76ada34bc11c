"""The coordinator's actors, and what they share."""
