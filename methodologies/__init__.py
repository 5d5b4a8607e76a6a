"""Methodologies (方法学): pure rules that turn a reported act into milligrams of CO2e.

`load_catalogue()` reads packs, `installed_plugins()` finds those of others;
`Catalogue.select(region, scene, day)` finds the methodology that counts; `quantify` and `explain` run it;
`rebuild(content)` restores one from what a credit stored.
"""

from methodologies.catalogue import Adoption, Catalogue, load_catalogue
from methodologies.engine import Methodology, Period, rebuild
from methodologies.errors import FormulaError, PackError, Refused
from methodologies.explanation import Explanation
from methodologies.model import Cap, Claim, Scene
from methodologies.plugins import Plugin, RefusedPlugin, installed_plugins, unpacked_plugin
from methodologies.rules import RuleFunction

__all__ = [
    "Adoption",
    "Cap",
    "Catalogue",
    "Claim",
    "Explanation",
    "FormulaError",
    "Methodology",
    "PackError",
    "Period",
    "Plugin",
    "Refused",
    "RefusedPlugin",
    "RuleFunction",
    "Scene",
    "installed_plugins",
    "load_catalogue",
    "rebuild",
    "unpacked_plugin",
]
