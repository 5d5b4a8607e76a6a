"""Rules in Python, for what needs more than a formula: found by name, pinned by their source, run guarded.

A rule is `function(inputs, values)`. `inputs` holds the act's integers in the units of their names, and
place, time and kind as they are stored; `values` the parameters and the tables' values for the act as
fractions in base units. Both are read-only. It returns a `Fraction` in g CO2e, rounded as the text says,
or an `int` in mg CO2e. It is pure: no clock, no random, no input or output.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from fractions import Fraction
from importlib import import_module, metadata
from types import MappingProxyType
from typing import TypeAlias

from methodologies.codegen import MAX_RESULT_MG, Act
from methodologies.errors import FormulaError, Refused

GROUP = "tanpuhui.methodologies"
MG_PER_G = 1000

RuleFunction: TypeAlias = Callable[[Act, Mapping[str, Fraction]], Fraction | int]
Rules: TypeAlias = Mapping[str, RuleFunction]
NO_RULES: Rules = MappingProxyType({})


def source_sha256(function: RuleFunction) -> str:
    """Return the SHA-256 (hex) of the whole module that a rule stands in, so that its helpers count too.

    Raises `FormulaError` where the source cannot be read.
    """
    try:
        module = inspect.getmodule(function)
        source = inspect.getsource(function if module is None else module)
    except (OSError, TypeError):
        raise FormulaError("规则的源代码读不到", "the source of the rule cannot be read") from None
    return hashlib.sha256(source.encode()).hexdigest()


def entry_points(*, group: str) -> list[metadata.EntryPoint]:
    """Return the entry points that can be read, as `importlib.metadata` does, which fails where any cannot."""
    found = []
    for distribution in metadata.distributions():
        with suppress(Exception):
            found += [point for point in distribution.entry_points.select(group=group) if point.module]
    return found


def installed(name: str) -> Rules:
    """Return the rule `module:function` if an installed package of methodologies has it.

    Only packages that announce themselves by an entry point are imported, so that no stored name can
    make the service import anything else.
    """
    module, _, attribute = name.partition(":")
    announced = {point.module.partition(".")[0] for point in entry_points(group=GROUP)}
    if module.partition(".")[0] not in announced:
        return NO_RULES
    try:
        found = getattr(import_module(module), attribute, None)
    except Exception:  # noqa: BLE001 - what another's module raises is not ours to know
        return NO_RULES
    return {name: found} if callable(found) else NO_RULES


def exact(function: RuleFunction, inputs: Act, values: Mapping[str, Fraction]) -> Fraction:
    """Return what a rule says in mg CO2e, unrounded; raises `Refused` (`rule_failed`, `negative_reduction`)."""
    try:
        found = function(MappingProxyType(inputs), MappingProxyType(values))
    except Exception:  # noqa: BLE001 - whatever a rule raises, the act is refused
        raise Refused("rule_failed", "rule") from None
    if type(found) is int:
        result = Fraction(found)
    elif isinstance(found, Fraction):
        result = found * MG_PER_G
    else:
        raise Refused("rule_failed", "rule")
    if result < 0:
        raise Refused("negative_reduction", "co2e_g")
    if result > MAX_RESULT_MG:
        raise Refused("rule_failed", "rule")
    return result


def rounded(result: Fraction, mode: str) -> int:
    """Return whole mg, rounded as the text says."""
    over, under = result.numerator, result.denominator
    return (2 * over + under) // (2 * under) if mode == "half_up" else over // under
