"""How asking a partner can fail: a bank, an exchange, or another that both sides' signatures go to and fro with."""


class PartnerAway(Exception):
    """No answer that can be believed: slow, broken, wrongly signed, or about something else. Ask again."""


class PartnerRefused(Exception):
    """The partner understood and will not take it: asking again changes nothing."""
