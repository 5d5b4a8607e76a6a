"""Why an activity was credited what it was: recomputed from what was stored with it."""

import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id
from accounts.quantities import grams
from app.auth.principal import NATION
from app.crediting.comparisons import comparison_of
from app.crediting.corroboration_trail import CorroborationTrail, trail_of
from app.crediting.decision import HOLDING
from app.crediting.models import Activity, MethodologyVersion
from app.crediting.prepare import EPOCH, SECOND
from app.crediting.queries import ActivityView, collection_window, view
from app.crediting.recalculated import RecalculatedView, history_of, views
from app.crediting.rules import Rules
from app.database import driver_of
from app.disputes.repository import about
from app.disputes.schemas import DisputeTrail, trail
from app.programmes.repository import read_contents
from app.review.schemas import ReviewTrail
from app.review.trails import review_of
from dedup.periods import day_of
from methodologies import Methodology, Refused, rebuild
from points.campaign_repository import read_awards
from points.campaigns import Campaign


class UsedMethodology(BaseModel):
    """Which text counted."""

    region: str
    level: Literal["district", "city", "province", "nation"] = Field(
        description="Where in the chain of regions it was found; the nation's counts by adoption only"
    )
    scene: str
    code: str
    version: str
    title: dict[str, str]
    document: dict[str, Any]
    in_force_from: str
    in_force_to: str | None
    provisional: bool
    issuable: bool = Field(description="The text says so, and a second operator approved it here")
    points_only: bool
    content_hash: str = Field(description="SHA-256 of the whole text that was computed by")


class Bonus(BaseModel):
    """Extra points of a campaign."""

    campaign_id: str
    name: dict[str, str]
    points: int
    expires_on: datetime.date
    condition: dict[str, Any]
    rule: dict[str, int] = Field(description="`points` for an act, or `percent` of its points")


class ActivityExplanation(BaseModel):
    """Everything that led to the outcome."""

    activity: ActivityView
    methodology: UsedMethodology
    regions_asked: list[str] = Field(
        description="City, province, and the nation where it was adopted for the day: the first with a text in force "
        "on that day counts"
    )
    calculation: dict[str, Any] | None = Field(
        description="Formula, parameters with sources, steps, rounding"
    )
    refused: str | None = Field(description="Where nothing was computed: why")
    evidence_percent: int = Field(description="Share of the computed amount that the report's evidence earns")
    full_co2e_g: str = Field(description="Before caps")
    credited_co2e_g: str = Field(description="What the person got")
    aggregated_g: str = Field(
        description="What the platform took; with the person's part it is what the caps left"
    )
    aggregation: dict[str, Any] | None = Field(
        description="What the text lets a platform take of a person who consents; null where it does not"
    )
    caps: list[dict[str, Any]]
    claims: list[dict[str, Any]] = Field(description="What the act holds, so that it counts once")
    points_rule: dict[str, Any]
    comparison: dict[str, Any] | None = Field(
        description="Where another report of the same act was credited, or one that excludes this act: the decision, "
        "its rule and its evidence in points; null where nothing was compared"
    )
    corroboration: CorroborationTrail = Field(
        description="The evidence grade as reported and as raised by other platforms' reports of the same act, and "
        "the credits that this activity stands or stood behind"
    )
    recalculations: list[RecalculatedView] = Field(
        description="Where a corrected version changed the credit: from what to what, the first one first"
    )
    disputes: list[DisputeTrail] = Field(
        description="Where the outcome was contested, or a claim moved to this activity or away from it"
    )
    review: ReviewTrail | None = Field(
        description="What signals across activities said of it, and what became of it where one held it"
    )
    bonuses: list[Bonus] = Field(description="What campaigns gave beside `points`, as it was booked")


async def methodology_of(session: AsyncSession, rules: Rules, methodology_id: int) -> Methodology:
    """The text by which an activity was computed, from this process's catalogue or from the database."""
    return _text(rules, await _stored(session, methodology_id))


async def _stored(session: AsyncSession, methodology_id: int) -> MethodologyVersion:
    return (
        await session.exec(select(MethodologyVersion).where(col(MethodologyVersion.id) == methodology_id))
    ).one()


def _text(rules: Rules, stored: MethodologyVersion) -> Methodology:
    return rules.catalogue.by_hash(stored.content_hash) or rebuild(stored.content)


def _level(region: str) -> Literal["district", "city", "province", "nation"]:
    if region == NATION:
        return "nation"
    if region.endswith("0000"):
        return "province"
    return "city" if region.endswith("00") else "district"


def _aggregation(methodology: Methodology) -> dict[str, Any] | None:
    rule = methodology.text.aggregation
    return (
        None
        if rule is None
        else {"threshold_g": grams(rule.threshold_mg), "per": rule.per, "source": rule.source}
    )


async def _bonuses(session: AsyncSession, activity: Activity) -> list[Bonus]:
    driver = await driver_of(session)
    rows = await read_awards(driver, activity.holder_id, activity.id)
    contents = await read_contents(driver, [row["campaign_id"] for row in rows])
    found = []
    for row in rows:
        text = Campaign.model_validate_json(contents[row["campaign_id"]])
        found.append(
            Bonus(
                campaign_id=public_id("ppt", row["campaign_id"]),
                name=text.name.model_dump(),
                points=row["points"],
                expires_on=row["expires_on"],
                condition=text.condition.model_dump(exclude_none=True),
                rule=text.model_dump(include={"points", "percent"}, exclude_none=True),
            )
        )
    return found


async def explain(session: AsyncSession, rules: Rules, activity: Activity) -> ActivityExplanation:
    """Compute the activity again and tell every step."""
    stored = await _stored(session, activity.methodology_id)
    methodology = _text(rules, stored)
    calculation: dict[str, Any] | None = None
    refused: str | None = None
    try:
        calculation = methodology.explain(activity.inputs).model_dump(mode="json")
        calculation["issuable"] = stored.issuable
    except Refused as error:
        refused = error.code
    text = methodology.text
    day = day_of((activity.started_at - EPOCH) // SECOND)
    programme = rules.programme(activity.region, day)
    scene_rule = programme.scenes.get(activity.scene)
    last_day = rules.catalogue.period(methodology).last_day
    history = await history_of(session, activity)
    # Claims are made once, by the text that counted then; a recalculation keeps them.
    claiming = (
        await methodology_of(session, rules, history[0].before_methodology_id) if history else methodology
    )
    earned = activity.outcome in HOLDING or bool(history)
    return ActivityExplanation(
        activity=view(activity, collection_window(methodology, activity, programme)),
        methodology=UsedMethodology(
            region=methodology.region,
            level=_level(methodology.region),
            scene=methodology.scene,
            code=methodology.code,
            version=methodology.version,
            title={"zh": methodology.title.zh, "en": methodology.title.en},
            document=text.document.model_dump(mode="json"),
            in_force_from=methodology.in_force.first_day.isoformat(),
            in_force_to=last_day.isoformat() if last_day else None,
            provisional=methodology.provisional,
            issuable=stored.issuable,
            points_only=methodology.points_only,
            content_hash=methodology.content_hash,
        ),
        regions_asked=list(rules.catalogue.chain(activity.region, activity.scene, day)),
        calculation=calculation,
        refused=refused,
        evidence_percent=methodology.share(100, activity.evidence),
        full_co2e_g=grams(activity.full_mg),
        credited_co2e_g=grams(activity.co2e_mg),
        aggregated_g=grams(activity.aggregated_mg),
        aggregation=_aggregation(methodology),
        caps=[cap.model_dump(mode="json", exclude_none=True) for cap in methodology.caps],
        claims=[claim.model_dump(mode="json") for claim in claiming.claims] if earned else [],
        points_rule={
            "programme": programme.key,
            "name": programme.name.model_dump(),
            **({"points_per_g": programme.points_per_g} if scene_rule is None else scene_rule.model_dump()),
            "rounding": programme.rounding,
            "self_report": programme.self_report,
        },
        comparison=await comparison_of(session, activity.holder_id, activity.id),
        corroboration=await trail_of(session, activity),
        recalculations=await views(session, history),
        disputes=[trail(*each) for each in await about(session, activity)],
        review=await review_of(session, activity),
        bonuses=await _bonuses(session, activity),
    )
