"""The API's description, OpenAPI 3.1: one table beside the routes, and the models that validate."""

from .document import check_complete, document

__all__ = ["check_complete", "document"]
