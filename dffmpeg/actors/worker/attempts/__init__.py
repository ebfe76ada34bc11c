"""The attempts that a worker holds: each one's preparation, process, streams and lease."""
