"""Which pending job goes to which worker, and why. Pure: rows in, decisions out."""
