"""Turns a validated report into what can be decided under locks: hashed, timed, quantified. Pure."""

import datetime
from math import asin, cos, radians, sin, sqrt
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from asyncpg.pgproto.pgproto import UUID as DriverUUID

from accounts.models import AssetKind
from app import metrics
from app.crediting.errors import MethodologiesStale
from app.webhooks.outbox import Listeners
from dedup.periods import by_local_day, day_of, month_of, trimmed
from dedup.person_key import PERSON_KEY_BYTES, IdentifierRefused
from methodologies.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from accounts.repository import AssetKey
    from app.crediting.rules import ClaimRule, Rule, Rules
    from app.crediting.schemas import ActivityReport
    from app.neighbours.ledger import Ledger
    from dedup.person_key import IdentityHasher
    from dedup.tokens import TokenMaker
    from points.programmes import Programme

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
NEVER = datetime.datetime.max.replace(tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)
CLOCK_TOLERANCE = datetime.timedelta(minutes=5)
MAX_ACT_S = 7 * 86_400
EARTH_RADIUS_M = 6_371_000
COORDINATE_TOLERANCE_M = 500
SOURCE_SCOPED = "source_user"


class Prepared:
    """One report on its way to its outcome. Identifiers and coordinates are gone."""

    __slots__ = (
        "asset_key",
        "device",
        "elsewhere",
        "ended_at",
        "ended_s",
        "event_id",
        "evidence",
        "full_mg",
        "identity_token",
        "inputs",
        "issuer",
        "mac",
        "numbers",
        "points_key",
        "programme",
        "quantified_mg",
        "receipt_token",
        "refusal",
        "region",
        "rule",
        "scene",
        "source_id",
        "started_at",
        "started_s",
    )

    asset_key: "AssetKey"
    device: UUID | None
    elsewhere: bool | None
    """Whether a neighbour holds it that counts here; None where one was to be asked and did not answer in time."""
    points_key: "AssetKey"
    programme: "Programme"
    quantified_mg: int
    started_at: datetime.datetime
    ended_at: datetime.datetime
    started_s: int
    ended_s: int
    event_id: str
    evidence: str
    full_mg: int
    identity_token: UUID | None
    inputs: dict[str, int | str]
    issuer: str
    mac: bytes
    numbers: dict[str, str]
    receipt_token: UUID
    refusal: str | None
    region: str
    rule: "Rule | None"
    scene: str
    source_id: UUID


class Preparer:
    """Everything that is known before the database is asked."""

    def __init__(self, rules: "Rules", hasher: "IdentityHasher", tokens: "TokenMaker") -> None:
        self.rules = rules
        self.listeners = Listeners()
        self.ledger: Ledger | None = None
        """Set where neighbours are told what is credited here."""
        self._hasher = hasher
        self._tokens = tokens
        self._later: list[tuple[datetime.datetime, Rules]] = []
        self._known_until = NEVER
        self._turns_at = NEVER
        self._on_stale: Callable[[], None] = lambda: None

    @property
    def tokens(self) -> "TokenMaker":
        """What makes the tokens of claims."""
        return self._tokens

    def exchange(
        self,
        rules: "Rules",
        later: "Sequence[tuple[datetime.datetime, Rules]]",
        known_until: datetime.datetime,
        on_stale: "Callable[[], None]",
    ) -> None:
        """Credit by other rules: `rules` from now on, the later ones from their moments on, in this order.

        From `known_until` on, which each look at the database moves ahead, nothing is credited.
        """
        self.rules = rules
        self._later = list(later)
        self._on_stale = on_stale
        self.extend(known_until)

    def extend(self, known_until: datetime.datetime) -> None:
        """Nothing has changed: the rules are known to count for longer."""
        self._known_until = known_until
        self._turns_at = min([known_until, *(moment for moment, _ in self._later[:1])])

    def known_at(self, now: datetime.datetime) -> "Rules":
        """The rules of a moment as far as this process knows them, for what books no new act; it never refuses."""
        found = self.rules
        for moment, rules in self._later:
            if moment > now:
                break
            found = rules
        return found

    def _turn(self, now: datetime.datetime) -> None:
        while self._later and self._later[0][0] <= now:
            self.rules = self._later.pop(0)[1]
        self.extend(self._known_until)
        if now >= self._known_until:
            metrics.METHODOLOGIES_STALE.inc()
            self._on_stale()
            raise MethodologiesStale

    def rules_at(self, now: datetime.datetime) -> "Rules":
        """The rules of the moment of booking. Raises `MethodologiesStale` where this process may have missed a text."""
        if now >= self._turns_at:
            self._turn(now)
        return self.rules

    def prepare(self, report: "ActivityReport", source_id: UUID, now: datetime.datetime) -> Prepared:
        """Hash, time and quantify one report; `now` is the moment of booking.

        Raises `MethodologiesStale` where this process may have missed a text.
        """
        if now >= self._turns_at:
            self._turn(now)
        p = Prepared()
        p.elsewhere = False
        p.source_id = source_id
        p.event_id = report.event_id
        p.scene = report.scene
        p.region = report.region
        p.evidence = report.evidence
        p.issuer = report.issuer or source_id.hex
        moment = report.occurred_at
        p.started_at = moment or report.started_at  # type: ignore[assignment]
        p.ended_at = moment or report.ended_at  # type: ignore[assignment]
        p.started_s = (p.started_at - EPOCH) // SECOND
        p.ended_s = (p.ended_at - EPOCH) // SECOND
        p.inputs = inputs = {}
        if moment is None:
            inputs["duration_s"] = p.ended_s - p.started_s
        for name in ("distance_m", "mass_g", "energy_wh", "volume_ml", "price_fen", "count", "kind"):
            value = getattr(report, name)
            if value is not None:
                inputs[name] = value
        p.numbers = numbers = {}
        if report.order_no is not None:
            numbers["order_no"] = report.order_no
        if report.bill_no is not None:
            numbers["bill_no"] = report.bill_no
        if report.asset_id is not None:
            numbers["asset_id"] = report.asset_id
        subject = report.subject
        scope = source_id.hex if subject.scheme == SOURCE_SCOPED else ""
        try:
            p.identity_token = DriverUUID(self._hasher.token(subject.scheme, subject.value, scope))
        except IdentifierRefused:
            # Answered like any unknown person: nobody learns more from a malformed number.
            p.identity_token = None
        tokens = self._tokens
        # Looked at where signals are switched on, and nowhere else.
        p.device = None
        if report.device is not None and self.rules.reviews:
            p.device = DriverUUID(tokens.once("device", "", report.device))
        p.receipt_token = DriverUUID(tokens.receipt(source_id.bytes, report.event_id))
        p.mac = tokens.body_mac(
            orjson.dumps(
                [p.scene, p.region, p.started_s, p.ended_s, inputs, numbers, report.issuer, p.evidence],
                option=orjson.OPT_SORT_KEYS,
            )
        )
        # After the MAC: what is put among the inputs here follows from the body and the methodology.
        self._quantify(p, report, now)
        return p

    def _quantify(self, p: Prepared, report: "ActivityReport", now: datetime.datetime) -> None:
        p.refusal = None
        p.full_mg = p.quantified_mg = 0
        day = day_of(p.started_s)
        p.rule = rule = self.rules.select(p.region, p.scene, day)
        if rule is None:
            p.refusal = "no_methodology"
            return
        p.asset_key = (AssetKind.REDUCTION, rule.methodology_id, day.year, "")
        p.programme = self.rules.programme(p.region, day)
        p.points_key = (AssetKind.POINTS, 0, 0, p.programme.key)
        context = rule.methodology.context
        if context:
            p.inputs.update(place_and_time(context, p.region, day))
        p.refusal = _refusal(p, report, rule, day, now)
        if p.refusal is None:
            try:
                p.quantified_mg = rule.methodology.quantify(p.inputs)
                p.full_mg = rule.methodology.share(p.quantified_mg, p.evidence)
            except Refused as refused:
                p.refusal = refused.code

    def claims(self, p: Prepared, person_keys: bytes) -> tuple[list[tuple[str, UUID]], list["Interval"]]:
        """The tokens that a quantified act claims: whole ones as (rule, token), and intervals.

        Of one person's keys, one after the other: while keys rotate, a claim is made under both.
        """
        whole, intervals = self.claims_under(self._tokens, p, person_keys[:PERSON_KEY_BYTES])
        for start in range(PERSON_KEY_BYTES, len(person_keys), PERSON_KEY_BYTES):
            more, others = self.claims_under(self._tokens, p, person_keys[start : start + PERSON_KEY_BYTES])
            # What needs no person is the same under every key.
            whole += [claim for claim in more if claim not in whole]
            intervals += [claim for claim in others if claim not in intervals]
        return whole, intervals

    def claims_under(
        self, tokens: "TokenMaker", p: Prepared, person_key: bytes
    ) -> tuple[list[tuple[str, UUID]], list["Interval"]]:
        """The same of one person key, and by these tokens: neighbours have others in common."""
        whole: list[tuple[str, UUID]] = []
        intervals: list[Interval] = []
        if p.rule is None:
            return whole, intervals
        for claim in p.rule.claims:
            if missing_of(claim, p):
                continue
            parts = claim.parts
            number = next(
                (p.numbers[name] for name in ("order_no", "bill_no", "asset_id") if name in parts), ""
            )
            if claim.period == "act":
                subject = person_key if "person" in parts else number.encode()
                start, end = trimmed(p.started_s, p.ended_s)
                for day, piece_start, piece_end in by_local_day(start, end):
                    token = DriverUUID(tokens.interval(subject, claim.rule, day))
                    intervals.append((claim.rule, token, day, piece_start, piece_end))
            elif claim.period == "forever" and "person" not in parts:
                whole.append((claim.rule, DriverUUID(tokens.once(claim.rule, p.issuer, number))))
            else:
                subject = person_key if "person" in parts else number.encode()
                issuer = p.issuer if "issuer" in parts else ""
                whole.append(
                    (claim.rule, DriverUUID(tokens.calendar(subject, claim.rule, issuer, _period(claim, p))))
                )
        return whole, intervals


Interval = tuple[str, UUID, datetime.date, int, int]
"""(rule, token, local day, start, end) of the trimmed period, epoch seconds."""


def _refusal(
    p: Prepared, report: "ActivityReport", rule: "Rule", day: datetime.date, now: datetime.datetime
) -> str | None:
    """Why an act earns nothing, as far as that is known before it is quantified."""
    if p.ended_at > now + CLOCK_TOLERANCE:
        return "in_future"
    if rule.excluded:
        return "scene_excluded"
    if rule.report_within_days is not None and _days_after(day, now) > rule.report_within_days:
        return "reported_late"
    return _implausible(p, report, rule) or next(
        (
            f"missing_{missing}"
            for claim in rule.claims
            if claim.required and (missing := missing_of(claim, p))
        ),
        None,
    )


def _implausible(p: Prepared, report: "ActivityReport", rule: "Rule") -> str | None:
    if report.kind is not None and "kind" not in rule.methodology.context:
        return "unknown_kind"
    if p.ended_s - p.started_s > MAX_ACT_S:
        return "implausible_duration"
    if report.start is not None and report.end is not None and _too_far_apart(report):
        return "implausible_distance"
    return None


def _days_after(day: datetime.date, now: datetime.datetime) -> int:
    return (day_of(int(now.timestamp())) - day).days


def place_and_time(context: frozenset[str], region: str, day: datetime.date) -> dict[str, int]:
    """What a methodology's tables are read by; stored, so that the inputs alone compute the credit again."""
    known = {"province": int(region[:2]) * 10_000, "year": day.year, "month": day.month}
    return {key: value for key, value in known.items() if key in context}


def missing_of(claim: "ClaimRule", p: Prepared) -> str | None:
    """What a claim needs and the report lacks."""
    for part in ("order_no", "bill_no", "asset_id"):
        if part in claim.parts and part not in p.numbers:
            return part
    if claim.period == "act" and p.started_s >= p.ended_s:
        return "period"
    return None


def _period(claim: "ClaimRule", p: Prepared) -> str:
    if claim.period == "forever":
        return "forever"
    if claim.period == "day":
        return day_of(p.started_s).isoformat()
    month = month_of(p.started_s)
    return month if claim.period == "month" else month[:4]


def _too_far_apart(report: "ActivityReport") -> bool:
    """Whether the straight line between the ends is longer than the reported distance can be (haversine)."""
    if report.distance_m is None or report.start is None or report.end is None:
        return False
    lat1, lat2 = radians(report.start.lat), radians(report.end.lat)
    half_lat = (lat2 - lat1) / 2
    half_lng = radians(report.end.lng - report.start.lng) / 2
    chord = sin(half_lat) ** 2 + cos(lat1) * cos(lat2) * sin(half_lng) ** 2
    line_m = 2 * EARTH_RADIUS_M * asin(sqrt(min(1.0, chord)))
    return line_m > report.distance_m + COORDINATE_TOLERANCE_M
