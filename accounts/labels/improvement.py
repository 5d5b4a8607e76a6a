"""What would make it light green: the least change of each single figure that reaches a colour. Pure and exact."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from accounts.labels.measures import MAX_AMOUNT, MEASURE_OF, Indicator, Measure, figure_key
from accounts.labels.rules import Scale
from accounts.labels.scoring import Colour, Facts, assess, threshold_of

EMISSIONS = "emissions"


@dataclass(frozen=True)
class Change:
    """One figure changed alone, in its base unit (emissions: mg); `target` is None where no value reaches."""

    figure: str
    present: int
    target: int | None


def least_changes(
    scale: Scale,
    facts: Facts,
    past: Facts | None,
    peers: Mapping[Indicator, Mapping[int, Fraction]],
    colour: Colour,
) -> tuple[Change, ...]:
    """For emissions, and each figure that the scale reads, the nearest value with which the colour is reached.

    Emissions fall, figures rise: no points are lost either way, so the nearest value is found by halving. Nothing for
    who has no label, or has the colour.
    """
    now = assess(scale, facts, past, peers)
    wanted = threshold_of(colour, scale.thresholds)
    if now.points is None or facts.emissions_mg is None or now.points >= wanted:
        return ()

    def reaches(changed: Facts) -> bool:
        found = assess(scale, changed, past, peers).points
        return found is not None and found >= wanted

    emitted = facts.emissions_mg
    least = _least(emitted, lambda less: reaches(replace(facts, emissions_mg=emitted - less)))
    changes = [Change(EMISSIONS, emitted, None if least is None else emitted - least)]
    for key in _read(scale):
        present = facts.figures.get(key, 0)

        def raised(more: int, key: str = key, present: int = present) -> bool:
            return reaches(replace(facts, figures={**facts.figures, key: present + more}))

        most = _least(MAX_AMOUNT - present, raised)
        changes.append(Change(key, present, None if most is None else present + most))
    return tuple(changes)


def _read(scale: Scale) -> list[str]:
    keys = []
    for indicator in scale.indicators:
        measure = MEASURE_OF[indicator]
        if measure is Measure.OUTPUT:
            keys += [figure_key(measure, each.code) for each in scale.products]
        else:
            keys.append(figure_key(measure))
    return keys


def _least(most: int, reaches: Callable[[int], bool]) -> int | None:
    """The least of 1…most that reaches, of those that, once they reach, always do."""
    if most < 1 or not reaches(most):
        return None
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if reaches(middle):
            high = middle
        else:
            low = middle + 1
    return low
