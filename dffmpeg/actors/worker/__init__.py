"""The worker's actors, and what they share."""
