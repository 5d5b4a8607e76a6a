"""What can be refused about figures and labels."""

from accounts.errors import DomainError, NotFound


class NoLabel(NotFound):
    """No label of the enterprise was published."""

    code = "label.none"


class NoScale(DomainError):
    """No approved rules cover the enterprise's region, domain and industry."""

    code = "label.no_scale"


class RunNotFound(NotFound):
    """No such run within the caller's rights."""

    code = "label.run_not_found"


class RunUnfinished(DomainError):
    """A run is published when it is done."""

    code = "label.run_unfinished"


class RunPublished(DomainError):
    """A run is published once."""

    code = "label.run_published"


class PublishOwn(DomainError):
    """Who started a run publishes nothing of it as official."""

    code = "label.publish_own"


class NotOfficial(DomainError):
    """Labels by rules that are not official are published as trial ones only."""

    code = "label.not_official"


class ExampleNotOfficial(DomainError):
    """What ships as an example is no official rule, under whatever name."""

    code = "label.example_not_official"


class NoRules(DomainError):
    """No approved rules cover the region now."""

    code = "label.no_rules"


class YearNotOver(DomainError):
    """A year is labelled when it is over."""

    code = "label.year_not_over"


class RunStale(DomainError):
    """Percentiles of the same enterprises and year were published since the run looked: it is to be made again."""

    code = "label.run_stale"
