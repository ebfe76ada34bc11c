"""Path variables: the names under which two machines know the same directory.

What travels is `$Movies/a.mkv`; each machine says which of its own directories
`Movies` is. Pure functions over bytes, because file names are bytes.

A mapping never changes anything but the spelling of the directory in front:
`arguments_to_directories` undoes `arguments_to_variables` for every list of byte strings.
"""

from __future__ import annotations

from dffmpeg.model.paths.directories import PathError, inside, validated
from dffmpeg.model.paths.mapping import (
    arguments_to_directories,
    arguments_to_variables,
    path_to_directory,
    path_to_variable,
    report_to_directories,
    report_to_variables,
)
from dffmpeg.model.paths.outputs import located, outputs_of, variables_written
from dffmpeg.model.paths.places import Place, Use, places_in, report_places
from dffmpeg.model.paths.printed import PrintedPaths
from dffmpeg.model.paths.unmapped import SYSTEM, Suspect, covered, suspects

__all__ = [
    "SYSTEM",
    "PathError",
    "Place",
    "PrintedPaths",
    "Suspect",
    "Use",
    "arguments_to_directories",
    "arguments_to_variables",
    "covered",
    "inside",
    "located",
    "outputs_of",
    "path_to_directory",
    "path_to_variable",
    "places_in",
    "report_places",
    "report_to_directories",
    "report_to_variables",
    "suspects",
    "validated",
    "variables_written",
]
