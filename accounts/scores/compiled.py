"""A card as one SQL statement over monthly deeds: the engine's own arithmetic, for a slice of holders at once.

Everything that goes into a statement is a whole number or a name of the card, checked when the card was read; there is
no other table in it than those of deeds and conduct, and the holders that it is for.
"""

from functools import lru_cache
from typing import Final

from accounts.models import HolderStatus
from accounts.scores.cards import Card
from accounts.scores.engine import HUNDRED
from accounts.scores.text import CardText, DeedDimension, LabelDimension

_PERSONS: Final = """
INSERT INTO scores (holder_id, card_id, as_of, totals, acts, months, conduct, points, tier, computed_at)
WITH grouped AS (
    SELECT {keys}, {sums}
    FROM monthly_deeds
    WHERE holder_id > $1 AND holder_id <= $2 AND month >= $3 AND month <= $5{scenes}
    GROUP BY {grouping}
), summed AS (
    SELECT holder_id, {totals} AS totals, (tanpuhui_sum(acts){by_month})::bigint AS acts, (count(*){by_month})::integer
        AS months
    FROM grouped GROUP BY holder_id
){conduct}, measured AS (
    SELECT h.id, coalesce(s.totals, {zeros}::bigint[]) AS totals, coalesce(s.acts, 0) AS acts,
        coalesce(s.months, 0) AS months, {taken}
    FROM holders h
    JOIN balances b ON b.holder_id = h.id AND b.status = {active:d}
    LEFT JOIN summed s ON s.holder_id = h.id{conduct_join}
    WHERE h.id > $1 AND h.id <= $2 AND b.holder_id > $1 AND b.holder_id <= $2
      AND h.kind = 'person' AND h.region = ANY ($6::varchar[])
), scored AS (
    SELECT m.*, m.acts >= {least_acts:d} AND m.months >= {least_months:d} AS enough,
        greatest(0, {points} - m.taken) AS points
    FROM measured m
)
SELECT id, $4, $5, totals, acts, months, conduct, CASE WHEN enough THEN points::integer END,
    CASE WHEN NOT enough THEN NULL {tiers} END, $7
FROM scored
"""

_CONDUCT: Final = """, recorded AS (
    SELECT c.holder_id, array_agg(c.id ORDER BY c.happened_on, c.id) AS ids, sum(r.points)::bigint AS points
    FROM conduct_records c
    JOIN (VALUES {rules}) AS r (kind, points, months) ON r.kind = c.kind
    WHERE c.holder_id > $1 AND c.holder_id <= $2 AND c.withdrawn_at IS NULL AND c.happened_on <= $5
      AND (c.happened_on + make_interval(months => r.months))::date > $5
    GROUP BY c.holder_id
)"""

_ORGANISATIONS: Final = """
INSERT INTO scores (holder_id, card_id, as_of, totals, acts, months, conduct, points, tier, computed_at)
SELECT h.id, $4, $5, ARRAY[l.points]::bigint[], 0, 0, NULL, CASE WHEN l.points >= 0 THEN l.points END,
    CASE WHEN l.points < 0 THEN NULL {tiers} END, $7
FROM (SELECT holder_id, CASE colour {colours} ELSE -1 END AS points
      FROM unnest($1::uuid[], $2::varchar[]) AS given (holder_id, colour)) l
JOIN holders h ON h.id = l.holder_id
JOIN balances b ON b.holder_id = h.id AND b.status = {active:d}
WHERE h.kind = 'organisation' AND h.region = ANY ($6::varchar[]) AND $3::date IS NOT NULL
"""


@lru_cache(maxsize=64)
def compiled(card: Card) -> str:
    """The statement that writes a slice's scores.

    `$1` and `$2` are the holders (after the first, up to the second), `$3` the first month, `$4` the card's id, `$5`
    the day, `$6` the regions, `$7` the moment. Of a card for organisations `$1` and `$2` are holders and their labels.
    """
    text = card.text
    first = text.dimensions[0]
    if isinstance(first, LabelDimension):
        colours = " ".join(
            f"WHEN '{name}' THEN {points:d}" for name, points in first.colours.model_dump().items()
        )
        return _ORGANISATIONS.format(
            colours=colours, tiers=_tiers(text, "l.points"), active=HolderStatus.ACTIVE
        )
    dimensions = [each for each in text.dimensions if isinstance(each, DeedDimension)]
    by_scene = any(each.each == "scene" for each in dimensions)
    sums: dict[str, str] = {"tanpuhui_sum(acts)": "acts"}
    return _PERSONS.format(
        keys="holder_id, month, scene" if by_scene else "holder_id, month",
        grouping=(
            "GROUPING SETS ((holder_id, month), (holder_id, scene))" if by_scene else "holder_id, month"
        ),
        totals=_totals(dimensions, sums, by_scene=by_scene),
        sums=", ".join(f"{sql} AS {name}" for sql, name in sums.items()),
        scenes=f" AND scene IN ({_names(text.scenes)})" if text.scenes else "",
        by_month=" FILTER (WHERE month IS NOT NULL)" if by_scene else "",
        zeros="ARRAY[" + ", ".join("0" for _ in dimensions) + "]",
        conduct=_CONDUCT.format(rules=_rules(text)) if text.conduct else "",
        conduct_join="\n    LEFT JOIN recorded r ON r.holder_id = h.id" if text.conduct else "",
        taken=(
            "r.ids AS conduct, coalesce(r.points, 0) AS taken"
            if text.conduct
            else "NULL::uuid[] AS conduct, 0 AS taken"
        ),
        points=" + ".join(_points(each, place + 1) for place, each in enumerate(dimensions)),
        tiers=_tiers(text, "points"),
        least_acts=text.minimum.acts,
        least_months=text.minimum.months,
        active=HolderStatus.ACTIVE,
    )


def _totals(dimensions: list[DeedDimension], sums: dict[str, str], *, by_scene: bool) -> str:
    """Each dimension's total out of the groups' sums, which are gathered: what two dimensions share is summed once."""
    parts = []
    for each in dimensions:
        unit = f"{each.of} * {_weight(each)}"
        if each.scenes:
            unit = f"CASE WHEN scene IN ({_names(frozenset(each.scenes))}) THEN {unit} ELSE 0 END"
        name = sums.setdefault(f"tanpuhui_sum({unit})", f"sum_{len(sums)}")
        if each.each_at_most is not None:
            name = f"least({name}, {each.each_at_most * HUNDRED:d})"
        here = ""
        if by_scene:
            here = (
                " FILTER (WHERE scene IS NOT NULL)"
                if each.each == "scene"
                else " FILTER (WHERE month IS NOT NULL)"
            )
        parts.append(f"(tanpuhui_sum({name}){here})")
    return "ARRAY[" + ", ".join(parts) + "]"


def _weight(dimension: DeedDimension) -> str:
    weights = dimension.weights.by_grade()
    if len(set(weights)) == 1:
        return f"{weights[0]:d}::bigint"
    weakest, seen, best = weights
    return f"CASE grade WHEN 1 THEN {seen:d}::bigint WHEN 2 THEN {best:d} ELSE {weakest:d} END"


def _points(dimension: DeedDimension, place: int) -> str:
    """Bounded before it is multiplied, as the engine does: the text's bounds keep it within a bigint."""
    rate = dimension.points
    return (
        f"least({dimension.at_most:d}, "
        f"least(m.totals[{place}], {dimension.full:d}) * {rate.points:d} / {rate.per * HUNDRED:d})"
    )


def _tiers(text: CardText, points: str) -> str:
    value = points
    hundred = 1
    if text.tiers.of != "points":
        place = [each.name for each in text.dimensions].index(text.tiers.of) + 1
        value, hundred = f"totals[{place}]", HUNDRED
    return " ".join(
        f"WHEN {value} {'>' if row.over is not None else '>='} "
        f"{(row.over if row.over is not None else row.at_least or 0) * hundred:d} THEN '{row.tier}'"
        for row in reversed(text.tiers.rows)
    )


def _rules(text: CardText) -> str:
    return ", ".join(f"('{rule.kind}', {rule.points:d}, {rule.months:d})" for rule in text.conduct)


def _names(scenes: frozenset[str]) -> str:
    return ", ".join(f"'{scene}'" for scene in sorted(scenes))
