"""What can go wrong with an embedded server."""


class EmbeddedServerError(Exception):
    """An embedded server could not be prepared, started or stopped; the message says what to do."""
