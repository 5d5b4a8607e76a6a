"""Energy carriers, and the integer unit in which each is stored and sent."""

import enum


class Carrier(enum.StrEnum):
    """What a meter measures. `unit` is the suffix of a field's name, `field` the whole name."""

    ELECTRICITY = "electricity"
    GAS = "gas"
    COAL = "coal"
    OIL = "oil"
    STEAM = "steam"
    WATER = "water"

    @property
    def unit(self) -> str:
        """Wh; litres (of gas: at standard conditions); grams of coal and oil; kJ of steam."""
        return self.field.rpartition("_")[2]

    @property
    def field(self) -> str:
        """Name of a field that holds an amount of it."""
        return _FIELDS[self]


_FIELDS = {
    Carrier.ELECTRICITY: "energy_wh",
    Carrier.GAS: "volume_l",
    Carrier.COAL: "mass_g",
    Carrier.OIL: "mass_g",
    Carrier.STEAM: "heat_kj",
    Carrier.WATER: "volume_l",
}


class Flow(enum.StrEnum):
    """Which way it flows: `import` and `export` cross the boundary to the grid, `generation` is behind the meter."""

    USE = "use"
    IMPORT = "import"
    EXPORT = "export"
    GENERATION = "generation"


class Reading(enum.StrEnum):
    """What a reading says: the use of its interval, or where the register stands."""

    INTERVAL = "interval"
    CUMULATIVE = "cumulative"


FLOWS: dict[Flow, frozenset[Carrier]] = {
    Flow.USE: frozenset(Carrier),
    Flow.IMPORT: frozenset(Carrier),
    Flow.EXPORT: frozenset({Carrier.ELECTRICITY, Carrier.STEAM}),
    Flow.GENERATION: frozenset({Carrier.ELECTRICITY}),
}
"""Carriers that a flow is known for."""
