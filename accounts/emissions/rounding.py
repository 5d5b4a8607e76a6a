"""The one place where an exact amount becomes a whole number of milligrams."""

from fractions import Fraction


def to_mg(exact: Fraction) -> int:
    """Half up, for amounts of zero or more: a total is rounded once, by this."""
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
