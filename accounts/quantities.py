"""Quantities as the API writes them."""


def grams(mg: int) -> str:
    """Milligrams as a decimal string in grams, without trailing zeros."""
    sign = "-" if mg < 0 else ""
    whole, rest = divmod(abs(mg), 1000)
    return f"{sign}{whole}.{rest:03d}".rstrip("0") if rest else f"{sign}{whole}"
