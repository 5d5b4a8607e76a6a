"""Errors that need nothing else of the application."""


class StartError(Exception):
    """The service cannot start: the schema cannot be brought up to date, or the port is taken."""
