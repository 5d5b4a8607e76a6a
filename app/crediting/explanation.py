"""Why an activity was credited what it was: recomputed from what was stored with it."""

from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.quantities import grams
from app.auth.principal import NATION
from app.crediting.decision import HOLDING
from app.crediting.models import Activity, MethodologyVersion
from app.crediting.prepare import EPOCH, SECOND
from app.crediting.queries import ActivityView, collection_window, view
from app.crediting.rules import Rules
from dedup.periods import day_of
from methodologies import Methodology, Refused, rebuild


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
    issuable: bool
    points_only: bool
    content_hash: str = Field(description="SHA-256 of the whole text that was computed by")


class ActivityExplanation(BaseModel):
    """Everything that led to the outcome."""

    activity: ActivityView
    methodology: UsedMethodology
    regions_asked: list[str] = Field(
        description="City, province, nation: the first with a text in force counts"
    )
    calculation: dict[str, Any] | None = Field(
        description="Formula, parameters with sources, steps, rounding"
    )
    refused: str | None = Field(description="Where nothing was computed: why")
    evidence_percent: int = Field(description="Share of the computed amount that the report's evidence earns")
    full_co2e_g: str = Field(description="Before caps")
    credited_co2e_g: str
    caps: list[dict[str, Any]]
    claims: list[dict[str, Any]] = Field(description="What the act holds, so that it counts once")
    points_rule: dict[str, Any]


async def methodology_of(session: AsyncSession, rules: Rules, methodology_id: int) -> Methodology:
    """The text by which an activity was computed, from this process's catalogue or from the database."""
    row = (
        await session.exec(select(MethodologyVersion).where(col(MethodologyVersion.id) == methodology_id))
    ).one()
    return rules.catalogue.by_hash(row.content_hash) or rebuild(row.content)


def _level(region: str) -> Literal["district", "city", "province", "nation"]:
    if region == NATION:
        return "nation"
    if region.endswith("0000"):
        return "province"
    return "city" if region.endswith("00") else "district"


async def explain(session: AsyncSession, rules: Rules, activity: Activity) -> ActivityExplanation:
    """Compute the activity again and tell every step."""
    methodology = await methodology_of(session, rules, activity.methodology_id)
    calculation: dict[str, Any] | None = None
    refused: str | None = None
    try:
        calculation = methodology.explain(activity.inputs).model_dump(mode="json")
    except Refused as error:
        refused = error.code
    text = methodology.text
    day = day_of((activity.started_at - EPOCH) // SECOND)
    programme = rules.programme(activity.region, day)
    scene_rule = programme.scenes.get(activity.scene)
    last_day = rules.catalogue.period(methodology).last_day
    earned = activity.outcome in HOLDING
    return ActivityExplanation(
        activity=view(activity, collection_window(methodology, activity)),
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
            issuable=methodology.issuable,
            points_only=methodology.points_only,
            content_hash=methodology.content_hash,
        ),
        regions_asked=list(rules.catalogue.chain(activity.region, activity.scene)),
        calculation=calculation,
        refused=refused,
        evidence_percent=methodology.share(100, activity.evidence),
        full_co2e_g=grams(activity.full_mg),
        credited_co2e_g=grams(activity.co2e_mg),
        caps=[cap.model_dump(mode="json", exclude_none=True) for cap in methodology.caps],
        claims=[claim.model_dump(mode="json") for claim in methodology.claims] if earned else [],
        points_rule={
            "programme": programme.key,
            "name": programme.name.model_dump(),
            **({"points_per_g": programme.points_per_g} if scene_rule is None else scene_rule.model_dump()),
        },
    )
