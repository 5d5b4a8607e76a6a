"""The score of one holder by one card: pure, in whole numbers, explained."""

import calendar
import datetime as dt
from collections import defaultdict
from dataclasses import replace
from typing import Final
from uuid import UUID

from accounts.scores.cards import Card
from accounts.scores.model import Basis, Facts, Measures, Raise, Reason, Score
from accounts.scores.text import CardText, DeedDimension, LabelDimension

HUNDRED: Final = 100
COLOURS: Final = ("red", "yellow", "light_green", "dark_green")
_COLOUR_WORDS: Final = {
    "red": ("红", "red"),
    "yellow": ("黄", "yellow"),
    "light_green": ("浅绿", "light green"),
    "dark_green": ("深绿", "dark green"),
}


def score(
    card: Card,
    facts: Facts,
    as_of: dt.date,
    *,
    counted_until: dt.datetime | None = None,
    holder_id: UUID | None = None,
) -> Score:
    """The score as of a day, from facts up to that day."""
    return explain(card, measure(card, facts, as_of), as_of, counted_until, holder_id)


def first_month(text: CardText, as_of: dt.date) -> dt.date:
    """The first month that counts: of the whole ones up to the day there are `look_back_months`.

    What has passed of a running month counts beside them.
    """
    whole = as_of.year * 12 + as_of.month - 1 + (1 if is_month_end(as_of) else 0)
    return _month(whole - text.look_back_months)


def is_month_end(day: dt.date) -> bool:
    """Whether a day is its month's last."""
    return day.day == calendar.monthrange(day.year, day.month)[1]


def later(day: dt.date, months: int) -> dt.date:
    """The same day so many months later, or that month's last."""
    first = _month(day.year * 12 + day.month - 1 + months)
    return first.replace(day=min(day.day, calendar.monthrange(first.year, first.month)[1]))


def _month(number: int) -> dt.date:
    return dt.date(number // 12, number % 12 + 1, 1)


def allowed(text: CardText, facts: Facts) -> Facts:
    """The facts that a card declares; of the others nothing is left to read."""
    reads = frozenset(text.reads)
    deeds = tuple(
        replace(
            deed,
            scene=deed.scene if "scene" in reads else "",
            grade=deed.grade if "evidence" in reads else 0,
            co2e_mg=deed.co2e_mg if "co2e_mg" in reads else 0,
        )
        for deed in (facts.deeds if "month" in reads else ())
    )
    return Facts(
        deeds=deeds,
        conduct=facts.conduct if "conduct" in reads else (),
        label=facts.label if "label" in reads else None,
    )


def measure(card: Card, facts: Facts, as_of: dt.date) -> Measures:
    """What counts of the facts, dimension by dimension."""
    text = card.text
    known = allowed(text, facts)
    first = first_month(text, as_of)
    scenes = text.scenes
    deeds = tuple(
        deed
        for deed in known.deeds
        if first <= deed.month <= as_of and deed.acts > 0 and (not scenes or deed.scene in scenes)
    )
    totals: list[int] = []
    for each in text.dimensions:
        if isinstance(each, LabelDimension):
            totals.append(-1 if known.label not in COLOURS else getattr(each.colours, known.label))
        else:
            totals.append(_total(each, Facts(deeds)))
    rules = {rule.kind: rule for rule in text.conduct}
    conduct = tuple(
        each
        for each in sorted(known.conduct, key=lambda each: (each.happened_on, each.id))
        if each.kind in rules and each.happened_on <= as_of < later(each.happened_on, rules[each.kind].months)
    )
    return Measures(
        tuple(totals), sum(deed.acts for deed in deeds), len({deed.month for deed in deeds}), conduct
    )


def _total(dimension: DeedDimension, facts: Facts) -> int:
    """In hundredths of a unit."""
    weights = dimension.weights.by_grade()
    sums: dict[object, int] = defaultdict(int)
    for deed in facts.deeds:
        if dimension.scenes and deed.scene not in dimension.scenes:
            continue
        key = None if dimension.each is None else getattr(deed, dimension.each)
        sums[key] += getattr(deed, dimension.of) * weights[deed.grade]
    if dimension.each_at_most is None:
        return sum(sums.values())
    most = dimension.each_at_most * HUNDRED
    return sum(min(most, each) for each in sums.values())


def points_of(dimension: DeedDimension | LabelDimension, total: int) -> int:
    """The points of a dimension's total, rounded down once, at most its cap."""
    if isinstance(dimension, LabelDimension):
        return max(total, 0)
    rate = dimension.points
    return min(dimension.at_most, min(total, dimension.full) * rate.points // (rate.per * HUNDRED))


def explain(
    card: Card,
    found: Measures,
    as_of: dt.date,
    counted_until: dt.datetime | None = None,
    holder_id: UUID | None = None,
) -> Score:
    """Points, tier, reasons and what would raise it most."""
    text = card.text
    each = list(zip(text.dimensions, found.totals, strict=True))
    enough = is_enough(text, found)
    reasons = _reasons(text, found) if enough else ()
    points = sum(reason.points for reason in reasons) if enough else None
    raises = (
        _missing(text, found)
        if not enough
        else _above_floor(text, found, [*_steps(each), *_lapsing(text, found)])
    )
    return Score(
        card=card.name,
        version=card.version,
        content_hash=card.content_hash,
        as_of=as_of,
        points=points,
        tier=None if points is None else _tier(text, found, points),
        enough=enough,
        reasons=reasons,
        raises=tuple(sorted(raises, key=lambda one: -one.points)),
        basis=Basis(first_month(text, as_of), as_of, found.acts, found.months, counted_until),
        holder_id=holder_id,
    )


def is_enough(text: CardText, found: Measures) -> bool:
    """Whether there is the least data that the card asks for."""
    if text.subject == "organisation":
        return found.totals[0] >= 0
    return found.acts >= text.minimum.acts and found.months >= text.minimum.months


def _reasons(text: CardText, found: Measures) -> tuple[Reason, ...]:
    reasons = [
        Reason(each.name, each.name, points_of(each, total), each.title.zh, each.title.en)
        for each, total in zip(text.dimensions, found.totals, strict=True)
    ]
    rules = {rule.kind: rule for rule in text.conduct}
    reasons += [
        Reason(each.kind, "conduct", -rules[each.kind].points, title.zh, title.en, each.happened_on)
        for each in found.conduct
        for title in (rules[each.kind].title,)
    ]
    below = sum(reason.points for reason in reasons)
    if below < 0:
        reasons.append(Reason("floor", "floor", -below, "分值不低于 0", "No score is below 0"))
    return tuple(reasons)


def _tier(text: CardText, found: Measures, points: int) -> str:
    value = points * HUNDRED
    if text.tiers.of != "points":
        names = [each.name for each in text.dimensions]
        value = found.totals[names.index(text.tiers.of)]
    reached = text.tiers.rows[0].tier
    for row in text.tiers.rows:
        # `over` of a dimension begins with the least part of a unit above it.
        bound = row.over * HUNDRED + 1 if row.over is not None else (row.at_least or 0) * HUNDRED
        if value >= bound:
            reached = row.tier
    return reached


def _steps(each: list[tuple[DeedDimension | LabelDimension, int]]) -> list[Raise]:
    found: list[Raise] = []
    for dimension, total in each:
        have = points_of(dimension, total)
        if isinstance(dimension, LabelDimension):
            better = [name for name in COLOURS if getattr(dimension.colours, name) > have]
            if better:
                zh, en = _COLOUR_WORDS[better[0]]
                gain = getattr(dimension.colours, better[0]) - have
                found.append(Raise(dimension.name, gain, f"碳标签升为{zh}", f"A label of {en}"))
            continue
        gain = points_of(dimension, total + dimension.step.units * HUNDRED) - have
        if gain > 0:
            does = dimension.step.does
            found.append(Raise(dimension.name, gain, does.zh, does.en))
    return found


def _lapsing(text: CardText, found: Measures) -> list[Raise]:
    """What deductions give back when they lapse."""
    rules = {rule.kind: rule for rule in text.conduct}
    raises: list[Raise] = []
    for each in found.conduct:
        rule = rules[each.kind]
        ends = later(each.happened_on, rule.months).isoformat()
        raises.append(
            Raise("conduct", rule.points, f"{ends} 起该扣分不再计入", f"It counts no more from {ends} on")
        )
    return raises


def _above_floor(text: CardText, found: Measures, raises: list[Raise]) -> list[Raise]:
    """While deductions hold the score at 0, a gain first makes up for what they take beyond it."""
    rules = {rule.kind: rule for rule in text.conduct}
    earned = sum(points_of(one, total) for one, total in zip(text.dimensions, found.totals, strict=True))
    surplus = earned - sum(rules[each.kind].points for each in found.conduct)
    real = [replace(each, points=max(0, surplus + each.points) - max(0, surplus)) for each in raises]
    return [each for each in real if each.points > 0]


def _missing(text: CardText, found: Measures) -> list[Raise]:
    """What is missing for there to be a score."""
    if text.subject == "organisation":
        return [Raise("label", 0, "需要已判定的碳标签", "It needs a label")]
    acts, months = text.minimum.acts - found.acts, text.minimum.months - found.months
    missing: list[Raise] = []
    if acts > 0:
        missing.append(Raise("minimum", 0, f"还需 {acts} 次低碳行为", f"It needs {acts} more acts"))
    if months > 0:
        missing.append(
            Raise("minimum", 0, f"还需 {months} 个月有低碳行为", f"It needs acts in {months} more months")
        )
    return missing
