"""What can go wrong with projects and their stock."""

from accounts.errors import DomainError, NotFound


class ProjectNotFound(NotFound):
    """No such project or stock within the caller's rights."""

    code = "project.not_found"


class ProjectExists(DomainError):
    """The code is another project's, or the project has a stock of this vintage."""

    code = "project.exists"


class StockVerified(DomainError):
    """A stock is verified once."""

    code = "project.stock_verified"


class VerifyOwn(DomainError):
    """Who recorded a stock does not accept its verification."""

    code = "project.verify_own"
