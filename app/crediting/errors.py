"""What can go wrong with a report beyond its outcome. No HTTP here."""


class StorageUnavailable(Exception):  # noqa: N818 - says what is, as the domain's other errors do
    """The database is away or too busy: nothing of the report is stored, and it may come again."""


class Unprocessable(Exception):  # noqa: N818
    """The database refuses this very report."""
