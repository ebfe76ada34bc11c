"""Starting programs as their callers would have, and owning them until they end."""
