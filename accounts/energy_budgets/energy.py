"""What carriers come to in kJ. Only values with a source, so that what has none is left out and said to be.

A Wh is 3.6 kJ by definition, and steam is metered in kJ. Of fuels it is the net calorific value that emissions use.
Coefficients of standard coal were not found in a source and are not used.
"""

from fractions import Fraction
from functools import lru_cache

from accounts.emissions.activity import Cell
from accounts.enterprises.carriers import Carrier
from methodologies.factor_tables import built_in

KJ_PER_WH = Fraction(36, 10)


def kj_of(cell: Cell) -> Fraction | None:
    """The energy that was bought or burnt; None where nothing says how much it is, or it is water."""
    if cell.carrier is Carrier.ELECTRICITY:
        return cell.bought * KJ_PER_WH
    if cell.carrier is Carrier.STEAM:
        return Fraction(cell.bought)
    per_base = calorific_values().get(cell.fuel.partition("/")[0])
    return None if per_base is None else cell.bought * per_base


@lru_cache(maxsize=1)
def calorific_values() -> dict[str, Fraction]:
    """KJ a gram of coal and oil (a GJ a tonne), a litre of gas (GJ in 10,000 m³, over 10)."""
    solids = {str(row.key[0]): Fraction(row.value) for row in built_in()["fuels_cn_ncv"].rows}
    gases = {str(row.key[0]): Fraction(row.value) / 10 for row in built_in()["fuels_cn_gas_ncv"].rows}
    return solids | gases
