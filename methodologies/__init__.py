"""Methodologies (方法学): pure rules that turn a reported act into milligrams of CO2e.

`load_catalogue()` reads packs; `Catalogue.select(region, scene, day)` finds the methodology that
counts; `quantify` and `explain` run it; `rebuild(content)` restores one from what a credit stored.
"""

from methodologies.catalogue import Catalogue, load_catalogue
from methodologies.engine import Methodology, Period, rebuild
from methodologies.errors import FormulaError, PackError, Refused
from methodologies.explanation import Explanation
from methodologies.model import Cap, Claim, Scene

__all__ = [
    "Cap",
    "Catalogue",
    "Claim",
    "Explanation",
    "FormulaError",
    "Methodology",
    "PackError",
    "Period",
    "Refused",
    "Scene",
    "load_catalogue",
    "rebuild",
]
