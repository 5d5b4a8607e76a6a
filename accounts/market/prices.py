"""Prices in fen per tonne, quantities in kg, totals in fen. Pure."""

KG_PER_T = 1_000
PERCENT = 100


def total_fen(price_fen_per_t: int, quantity_kg: int) -> int:
    """What a quantity costs: rounded once, up."""
    return -(-price_fen_per_t * quantity_kg // KG_PER_T)


def deposit_fen(price_fen_per_t: int, quantity_kg: int, percent: int) -> int:
    """The part of a total that is deposited with a bid: rounded once, up."""
    return -(-price_fen_per_t * quantity_kg * percent // (KG_PER_T * PERCENT))


def deliverable(quantity_kg: int) -> bool:
    """Whether an exchange or an obligation takes it: whole tonnes, which are 1,000 units."""
    return quantity_kg > 0 and quantity_kg % KG_PER_T == 0
