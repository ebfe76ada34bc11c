"""Which pending job goes to which worker, and why. Pure: rows in, decisions out.

`policy` is what was decided beforehand. `board` holds the rows and decides, by `lanes` (order), `fairness`
(between requesters) and `pool` (workers); `explanation` puts the same conditions into words. `capacity`
is asked by the store as well, which has the last word. `hours` and `quarantine` are about workers alone.
"""
