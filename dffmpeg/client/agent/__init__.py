"""The resident agent: keeps the connection to the coordinator warm, and runs its user's calls."""
