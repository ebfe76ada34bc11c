"""Live views of the cluster and of one job: what is known, how it is drawn, and where."""
