"""Dated emission factors: those that ship, and those that operators put in force over them. Pure and exact.

The year of the data, the day of publication and the accounting year of a factor are three things and stand apart.
"""

import datetime
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from accounts.enterprises.carriers import Carrier
from methodologies.factor_tables import SharedTable, built_in
from methodologies.table_model import Row

NATION = "100000"
CARBON_TO_CO2 = Fraction(44, 12)
PERCENT = Fraction(1, 100)
ALWAYS = datetime.date(1990, 1, 1)


class FactorKind(enum.StrEnum):
    """What a factor is multiplied with. `RESIDUAL` is the grid without non-fossil power that was traded."""

    GRID = "grid"
    RESIDUAL = "residual"
    SOLID_OR_LIQUID = "solid_or_liquid"
    GAS = "gas"
    HEAT = "heat"


UNITS = {
    FactorKind.GRID: "kgCO2/kWh",
    FactorKind.RESIDUAL: "kgCO2/kWh",
    FactorKind.SOLID_OR_LIQUID: "tCO2/t",
    FactorKind.GAS: "tCO2/10000 m3",
    FactorKind.HEAT: "tCO2/GJ",
}
_MG_PER_BASE = {
    # kg/kWh is 1,000 mg/Wh; t/t is 1,000 mg/g; t/10,000 m³ is 100 mg/L; t/GJ is 1,000 mg/kJ.
    FactorKind.GRID: 1000,
    FactorKind.RESIDUAL: 1000,
    FactorKind.SOLID_OR_LIQUID: 1000,
    FactorKind.GAS: 100,
    FactorKind.HEAT: 1000,
}
CARRIED = frozenset({FactorKind.GRID, FactorKind.RESIDUAL})
"""Published year by year, some time after the year: until then the newest earlier one counts, and is marked."""

COALS = ("anthracite", "lignite", "coal_gangue", "coal_slime", "coke", "petroleum_coke")
OILS = ("crude_oil", "fuel_oil", "petrol", "diesel", "kerosene", "lng", "lpg", "refinery_gas")
GASES = ("natural_gas", "coke_oven_gas", "blast_furnace_gas", "converter_gas")
FURNACES = ("power_boiler", "industrial_boiler", "cement_kiln")
FUELS: Mapping[Carrier, tuple[str, ...]] = {
    Carrier.COAL: COALS,
    Carrier.OIL: OILS,
    Carrier.GAS: GASES,
}
"""Kinds of fuel that a meter of a carrier may measure."""


@dataclass(frozen=True)
class Factor:
    """One value for a time and a region, in the unit of its kind.

    `fuel` is the fuel's kind, for coal with its furnace: `anthracite/power_boiler`. `first_day` and `last_day`, both
    inclusive, are those of the activity. `corrects_at` is when a deployment put it in force, `None` for what ships.
    """

    id: str
    kind: FactorKind
    value: Fraction
    shown: str
    source: str
    confidence: str
    region: str = NATION
    fuel: str = ""
    first_day: datetime.date = ALWAYS
    last_day: datetime.date | None = None
    accounting_year: int | None = None
    data_year: int | None = None
    published: datetime.date | None = None
    notice_no: str | None = None
    url: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    corrects_at: datetime.datetime | None = None

    @property
    def mg_per_base(self) -> Fraction:
        """Milligrams of CO2 for one base unit of the carrier (Wh, g, L, kJ)."""
        return self.value * _MG_PER_BASE[self.kind]


@dataclass(frozen=True)
class Found:
    """A factor for a day; `carried` where it is that of an earlier accounting year, the newest one there is."""

    factor: Factor
    carried: bool


class Book:
    """All factors that count at a moment. What a deployment put in force goes before what ships, the newest first."""

    def __init__(self, corrections: Iterable[Factor] = ()) -> None:
        self._of: dict[tuple[FactorKind, str, str], list[Factor]] = {}
        newest = sorted(
            corrections,
            key=lambda each: (each.corrects_at is not None, each.corrects_at, each.id),
            reverse=True,
        )
        for each in (*newest, *shipped()):
            self._of.setdefault((each.kind, each.region, each.fuel), []).append(each)

    def find(self, kind: FactorKind, day: datetime.date, region: str, fuel: str = "") -> Found | None:
        """The factor of a day: of the city, else of the province, else (but for the grid) of the nation."""
        known = [self._of.get((kind, place, fuel), []) for place in _places(kind, region)]
        for factors in known:
            for each in factors:
                if each.first_day <= day and (each.last_day is None or day <= each.last_day):
                    return Found(each, carried=False)
        for factors in known if kind in CARRIED else ():
            earlier = [each for each in factors if each.last_day is not None and each.last_day < day]
            if earlier:
                return Found(max(earlier, key=lambda each: each.last_day or ALWAYS), carried=True)
        return None


def fuel_key(fuel: str, furnace: str | None) -> str:
    """How a fuel is told from others: coal by its furnace too, since that says how much of it is oxidised."""
    return f"{fuel}/{furnace}" if furnace else fuel


def _places(kind: FactorKind, region: str) -> tuple[str, ...]:
    city, province = region[:4] + "00", region[:2] + "0000"
    found = (region, city, province) if kind is FactorKind.GRID else (region, city, province, NATION)
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=1)
def shipped() -> tuple[Factor, ...]:
    """The factors that come with the package. Products of parameters are exact, not the rounded ones of a table."""
    return (*_grid(), *_residual(), *_solids_and_liquids(), *_gases(), *_heat())


def _grid() -> list[Factor]:
    table = built_in()["grid_cn"]
    return [
        _yearly(table, row, FactorKind.GRID, region=str(row.key[0]), year=int(row.key[1]))
        for row in table.rows
    ]


def _residual() -> list[Factor]:
    table = built_in()["grid_cn_nation"]
    return [
        _yearly(table, row, FactorKind.RESIDUAL, region=NATION, year=int(row.key[1]))
        for row in table.rows
        if row.key[0] == "without_traded_non_fossil"
    ]


def _yearly(table: SharedTable, row: Row, kind: FactorKind, region: str, year: int) -> Factor:
    return Factor(
        id="/".join([table.name, *map(str, row.key)]),
        kind=kind,
        value=Fraction(row.value),
        shown=row.value,
        source=row.source or table.source or "",
        confidence=row.confidence or table.confidence or "",
        region=region,
        first_day=datetime.date(year, 1, 1),
        last_day=datetime.date(year, 12, 31),
        accounting_year=year,
        data_year=row.data_year,
        published=row.published,
        notice_no=row.notice_no,
        url=row.url or table.url,
    )


def _values(name: str) -> dict[str, str]:
    return {str(row.key[0]): row.value for row in built_in()[name].rows}


def _solids_and_liquids() -> list[Factor]:
    carbon, heat = _values("fuels_cn_carbon"), _values("fuels_cn_ncv")
    shares = _values("fuels_cn_oxidation")
    furnaces = _values("fuels_cn_furnaces")
    found = [_combustion("fuels_cn", fuel, "", heat[fuel], carbon[fuel], shares[fuel]) for fuel in OILS]
    found += [
        _combustion("fuels_cn", fuel, furnace, heat[fuel], carbon[fuel], furnaces[furnace])
        for fuel in COALS
        for furnace in FURNACES
    ]
    return found


def _gases() -> list[Factor]:
    carbon, heat = _values("fuels_cn_carbon"), _values("fuels_cn_gas_ncv")
    shares = _values("fuels_cn_oxidation")
    return [_combustion("fuels_cn_gas", fuel, "", heat[fuel], carbon[fuel], shares[fuel]) for fuel in GASES]


def _combustion(table: str, fuel: str, furnace: str, heat: str, carbon: str, share: str) -> Factor:
    """Net calorific value × carbon × oxidised share × 44/12: in tCO2 per t, or per 10,000 m³ of a gas."""
    value = Fraction(heat) * Fraction(carbon) * Fraction(share) * PERCENT * CARBON_TO_CO2
    gas = table == "fuels_cn_gas"
    known = built_in()[f"{table}_ncv"]
    return Factor(
        id=f"{table}/{fuel_key(fuel, furnace)}",
        kind=FactorKind.GAS if gas else FactorKind.SOLID_OR_LIQUID,
        value=value,
        shown=decimal_text(value),
        source=known.source or "",
        confidence=known.confidence or "",
        fuel=fuel_key(fuel, furnace),
        parameters={
            "ncv_gj_per_10000_m3" if gas else "ncv_gj_per_t": heat,
            "carbon_t_per_gj": carbon,
            "oxidised_percent": share,
        },
    )


def _heat() -> list[Factor]:
    """The default of the national database from its day on, that of GB/T 32150-2025 from its own."""
    table = built_in()["heat_cn"]
    rows = {str(row.key[0]): row for row in table.rows}
    days = {
        "database_v2": (datetime.date(2026, 3, 1), datetime.date(2026, 6, 30)),
        "gbt_32150_2025": (datetime.date(2026, 7, 1), None),
    }
    return [
        Factor(
            id=f"{table.name}/{name}",
            kind=FactorKind.HEAT,
            value=Fraction(rows[name].value),
            shown=rows[name].value,
            source=rows[name].source or table.source or "",
            confidence=rows[name].confidence or table.confidence or "",
            first_day=first,
            last_day=last,
            url=rows[name].url or table.url,
        )
        for name, (first, last) in days.items()
    ]


def decimal_text(value: Fraction, places: int = 8) -> str:
    """A fraction for readers, to so many decimals, half up."""
    scaled = (2 * value.numerator * 10**places + value.denominator) // (2 * value.denominator)
    whole, rest = divmod(scaled, 10**places)
    return f"{whole}.{rest:0{places}d}".rstrip("0").rstrip(".")
