"""How asking a bank can fail."""


class BankAway(Exception):
    """No answer that can be believed: slow, broken, wrongly signed, or about something else. Ask again."""


class BankRefused(Exception):
    """The bank understood and will not take it: asking again changes nothing."""
