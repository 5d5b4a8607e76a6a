"""What can be refused of credit reports."""

from accounts.errors import NotFound


class CreditReportNotFound(NotFound):
    """No such report of the caller's bank, or its holder was erased."""

    code = "report.not_found"
