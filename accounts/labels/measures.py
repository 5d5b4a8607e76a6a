"""What enterprises are compared by: measured figures of a year, and emissions per figure. Pure and exact."""

import enum
from fractions import Fraction
from typing import Final

from accounts.enterprises.industries import Domain

MAX_AMOUNT: Final = 10**15
"""Largest figure, in its base unit: ten trillion yuan in fen."""


class Unit(enum.StrEnum):
    """Base units of figures, which are integers."""

    FEN = "fen"
    GRAM = "g"
    PIECE = "piece"
    DM2 = "dm2"
    ML = "ml"
    WH = "wh"
    KG_KM = "kg_km"
    PERSON_KM = "person_km"
    PERSON = "person"


PER: Final = {
    Unit.FEN: ("yuan", 100),
    Unit.GRAM: ("kg", 1000),
    Unit.PIECE: ("piece", 1),
    Unit.DM2: ("m2", 100),
    Unit.ML: ("l", 1000),
    Unit.WH: ("kwh", 1000),
    Unit.KG_KM: ("t_km", 1000),
    Unit.PERSON_KM: ("passenger_km", 1),
    Unit.PERSON: ("person", 1),
}
"""Base unit → what an intensity is told per, and how many base units that is."""


class Measure(enum.StrEnum):
    """What a figure is of."""

    OUTPUT = "output"
    """产量 of one product, by its code; in the product's own unit."""
    VALUE_ADDED = "value_added"
    """工业增加值."""
    TAX = "tax"
    """税收 paid."""
    PRODUCT_MASS = "product_mass"
    """Agricultural product."""
    SUPPLIED_ENERGY = "supplied_energy"
    """Electricity and heat that an energy enterprise supplied."""
    FLOOR_AREA = "floor_area"
    """建筑面积: two decimals of a square metre are whole dm²."""
    FREIGHT = "freight"
    """货运周转量."""
    PASSENGERS = "passengers"
    """客运周转量."""
    PERSONS = "persons"
    """Residents."""


UNITS: Final = {
    Measure.OUTPUT: frozenset({Unit.GRAM, Unit.PIECE, Unit.DM2, Unit.ML, Unit.WH}),
    Measure.VALUE_ADDED: frozenset({Unit.FEN}),
    Measure.TAX: frozenset({Unit.FEN}),
    Measure.PRODUCT_MASS: frozenset({Unit.GRAM}),
    Measure.SUPPLIED_ENERGY: frozenset({Unit.WH}),
    Measure.FLOOR_AREA: frozenset({Unit.DM2}),
    Measure.FREIGHT: frozenset({Unit.KG_KM}),
    Measure.PASSENGERS: frozenset({Unit.PERSON_KM}),
    Measure.PERSONS: frozenset({Unit.PERSON}),
}
SIGNED: Final = frozenset({Measure.VALUE_ADDED, Measure.TAX})
"""A loss, or taxes paid back, are figures too, though no intensity comes of them."""


class Indicator(enum.StrEnum):
    """碳强度: grams CO2e of a year per unit of a figure of that year."""

    PER_PRODUCT = "per_product"
    PER_VALUE_ADDED = "per_value_added"
    PER_TAX = "per_tax"
    PER_PRODUCT_MASS = "per_product_mass"
    PER_SUPPLIED_ENERGY = "per_supplied_energy"
    PER_FLOOR_AREA = "per_floor_area"
    PER_FREIGHT = "per_freight"
    PER_PASSENGERS = "per_passengers"
    PER_PERSON = "per_person"


MEASURE_OF: Final = {
    Indicator.PER_PRODUCT: Measure.OUTPUT,
    Indicator.PER_VALUE_ADDED: Measure.VALUE_ADDED,
    Indicator.PER_TAX: Measure.TAX,
    Indicator.PER_PRODUCT_MASS: Measure.PRODUCT_MASS,
    Indicator.PER_SUPPLIED_ENERGY: Measure.SUPPLIED_ENERGY,
    Indicator.PER_FLOOR_AREA: Measure.FLOOR_AREA,
    Indicator.PER_FREIGHT: Measure.FREIGHT,
    Indicator.PER_PASSENGERS: Measure.PASSENGERS,
    Indicator.PER_PERSON: Measure.PERSONS,
}
INDICATORS_OF: Final = {
    Domain.INDUSTRY: (Indicator.PER_PRODUCT, Indicator.PER_VALUE_ADDED, Indicator.PER_TAX),
    Domain.AGRICULTURE: (Indicator.PER_PRODUCT_MASS,),
    Domain.ENERGY: (Indicator.PER_SUPPLIED_ENERGY,),
    Domain.BUILDING: (Indicator.PER_FLOOR_AREA,),
    Domain.TRANSPORT: (Indicator.PER_FREIGHT, Indicator.PER_PASSENGERS),
    Domain.RESIDENTIAL: (Indicator.PER_PERSON,),
}
"""Of industry as 衢州 has them: 单位产品产量、单位工业增加值、单位税收碳强度."""


def intensity(emissions_mg: int, amount: int | Fraction, unit: Unit) -> Fraction:
    """Grams CO2e per kg, yuan, m²…; `amount` > 0 in base units."""
    return Fraction(emissions_mg, 1000) * PER[unit][1] / Fraction(amount)


def figure_key(measure: Measure, product: str = "") -> str:
    """`tax`, or `output:crude_steel`."""
    return f"{measure}:{product}" if product else str(measure)


def rounded(value: Fraction, places: int = 6) -> str:
    """A decimal for people to read, half up; what is decided is decided on the exact value."""
    scaled = value * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return _decimal(whole, places)


def floored(value: Fraction, places: int = 2) -> str:
    """A decimal that never reads as more than the value: 59.999 is not 60."""
    return _decimal(int(value * 10**places // 1), places)


def _decimal(scaled: int, places: int) -> str:
    head, tail = divmod(abs(scaled), 10**places)
    text = f"{head}.{tail:0{places}d}".rstrip("0").rstrip(".")
    return "-" + text if scaled < 0 else text
