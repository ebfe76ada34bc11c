"""The mounts that mapped paths lie on: looking at them, and having them mounted again."""
