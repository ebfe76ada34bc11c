"""Path views: what has to be mounted where, for a program to find directories under the client's names.

A view is a mount namespace made with bubblewrap: `plan` one that shows the worker's own file system, or one
that is `enclosed` and shows nothing of it but what was asked for.
"""

from dffmpeg.model.views.enclosed import TEMPORARY, Fixtures, enclosed
from dffmpeg.model.views.mirrored import MAX_NEIGHBOURS, plan
from dffmpeg.model.views.parts import SYSTEM_DIRECTORIES, Bind, Entry, Tree, ViewError, ViewPlan, is_system

__all__ = [
    "MAX_NEIGHBOURS",
    "SYSTEM_DIRECTORIES",
    "TEMPORARY",
    "Bind",
    "Entry",
    "Fixtures",
    "Tree",
    "ViewError",
    "ViewPlan",
    "enclosed",
    "is_system",
    "plan",
]
