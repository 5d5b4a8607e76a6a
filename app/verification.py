"""Checks the invariants over a whole database and names the first row that breaks one."""

import contextlib
import datetime
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from accounts import verification as of_agreements
from accounts.ids import owner_id, public_id
from accounts.issuance import verification as issuances
from accounts.metering import verification as of_readings
from accounts.models import OF_ACTIVITIES, AccountKind, AssetKind
from accounts.offsetting import verification as offsetting
from accounts.postings import STORED
from accounts.projects import verification as of_projects
from accounts.proofs import heads as of_heads
from accounts.units import verification as of_units
from app.certificates import verification as certificates
from app.crediting import corroboration_verification as corroborations
from app.crediting.decision import window_start
from app.crediting.rules import CapRule, aggregation_key, aggregation_rule, cap_rules
from app.disputes import verification as disputes
from app.events import verification as events
from app.exchanges import verification as exchanges
from app.labels import verification as labels
from app.market import verification as of_market
from app.neighbours import verification as neighbours
from app.offsets import verification as offset_filings
from app.proving import verification as roots
from app.review import verification as reviews
from app.scoring import verification as scores
from app.versions.repository import COUNTING_CLOSURES
from dedup import verification as of_claims
from dedup.archive_check import check_archives
from methodologies import Methodology, PackError, Refused, rebuild
from points import redemption_verification, settlement_verification, verification_lots
from points.payments import verification as payment_verification

if TYPE_CHECKING:
    import asyncpg

EARNED = "outcome IN ('credited', 'capped') AND reversed_at IS NULL"
HOLDS = "outcome IN ('credited', 'capped', 'pending') AND reversed_at IS NULL"
# What a recalculation left without credit keeps its claims.
KEEPS = """
    reversed_at IS NULL AND (outcome IN ('credited', 'capped', 'pending') OR outcome = 'rejected'
        AND reason IS DISTINCT FROM 'rejected_in_review' AND EXISTS (
        SELECT FROM recalculated_activities r
        WHERE r.holder_id = activities.holder_id AND r.activity_id = activities.id))
"""
MOVES = (
    (AssetKind.REDUCTION, AccountKind.ISSUANCE_SIDE, AccountKind.HOLDER_OPEN),
    (AssetKind.REDUCTION, AccountKind.ISSUANCE_SIDE, AccountKind.PLATFORM_AGGREGATE),
    (AssetKind.REDUCTION, AccountKind.HOLDER_OPEN, AccountKind.HOLDER_USED),
    (AssetKind.REDUCTION, AccountKind.HOLDER_OPEN, AccountKind.HOLDER_ISSUED),
    (AssetKind.REDUCTION, AccountKind.HOLDER_OPEN, AccountKind.HOLDER_EXCLUDED),
    (AssetKind.POINTS, AccountKind.PROGRAMME, AccountKind.HOLDER_POINTS),
    (AssetKind.POINTS, AccountKind.PROGRAMME, AccountKind.HOLDER_OWED),
    (AssetKind.POINTS, AccountKind.PROGRAMME, AccountKind.LOSS),
    (AssetKind.POINTS, AccountKind.BREAKAGE, AccountKind.HOLDER_POINTS),
    (AssetKind.POINTS, AccountKind.HOLDER_POINTS, AccountKind.HOLDER_HELD),
    (AssetKind.POINTS, AccountKind.MERCHANT, AccountKind.HOLDER_HELD),
    (AssetKind.POINTS, AccountKind.MERCHANT, AccountKind.HOLDER_POINTS),
    (AssetKind.POINTS, AccountKind.MERCHANT, AccountKind.BREAKAGE),
    (AssetKind.MONEY, AccountKind.PROGRAMME, AccountKind.MERCHANT),
)
"""Between which accounts an asset moves, whichever is debited."""


def _net(account: AccountKind) -> str:
    """Sum of what entries add to an account of holders; what is owed grows by its debit side."""
    up, down = ("debit", "credit") if account is AccountKind.HOLDER_OWED else ("credit", "debit")
    return f"sum(CASE WHEN {up} = {account:d} THEN amount WHEN {down} = {account:d} THEN -amount ELSE 0 END)"


_OF_ACTIVITIES = ", ".join(str(kind.value) for kind in OF_ACTIVITIES)
_PLATFORM = AccountKind.PLATFORM_AGGREGATE.value
PAGE = 5_000
KEPT_TABLES = (
    "entries",
    "ledger_heads",
    "audit_records",
    "receipts",
    "methodology_closures",
    "recalculated_activities",
    "offsets",
    "redemption_lots",
    "payment_differences",
    "campaign_awards",
    "settled_entries",
    "settlement_lines",
    "settlement_disputes",
    "settlement_adjustments",
    "bank_products",
    "bank_product_terms",
    "bank_quotes",
    "bank_differences",
    *of_agreements.KEPT_TABLES,
    *disputes.KEPT_TABLES,
    *reviews.KEPT_TABLES,
    *neighbours.KEPT_TABLES,
    *labels.KEPT_TABLES,
    *of_readings.KEPT_TABLES,
    *of_units.KEPT_TABLES,
    *offset_filings.KEPT_TABLES,
    *exchanges.KEPT_TABLES,
    *of_market.KEPT_TABLES,
)
"""What is written once and never changed, partitions included."""

# A query names the first row that breaks a rule; no row means that the rule holds.
QUERIES: dict[str, tuple[str, str]] = {
    "claims_overlap": (
        "Two live claims on one token never overlap",
        """
        SELECT activity_id FROM (
            SELECT activity_id, starts_at, max(ends_at) OVER (
                PARTITION BY token, day ORDER BY starts_at, activity_id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_until
            FROM interval_claims) c
        WHERE starts_at < taken_until ORDER BY activity_id LIMIT 1
        """,
    ),
    "claims_unlocked": (
        "Every interval claim has the token row that guards it",
        """
        SELECT c.activity_id FROM interval_claims c
        LEFT JOIN interval_tokens t ON t.token = c.token AND t.day = c.day
        WHERE t.token IS NULL ORDER BY 1 LIMIT 1
        """,
    ),
    "claims_of_credits": (
        "An activity that is credited or pending, or that a recalculation left without credit, holds all its claims",
        f"""
        SELECT a.id FROM (
            SELECT id, encode(substring(claim_tokens FROM 16 * n + 1 FOR 16), 'hex')::uuid AS token,
                (started_at AT TIME ZONE 'Asia/Shanghai')::date AS first_day,
                (ended_at AT TIME ZONE 'Asia/Shanghai')::date AS last_day
            FROM activities, generate_series(0, octet_length(claim_tokens) / 16 - 1) AS n
            WHERE {KEEPS}) a
        LEFT JOIN whole_claims w ON w.token = a.token AND w.activity_id = a.id
        LEFT JOIN interval_claims i ON i.token = a.token AND i.activity_id = a.id
        WHERE w.token IS NULL AND i.token IS NULL AND NOT ({of_claims.ARCHIVED}) ORDER BY a.id LIMIT 1
        """,
    ),
    "claims_without_credit": (
        (
            "Every claim belongs to an activity that is credited, pending or recalculated and not reversed, or to a "
            "claim of a platform that is not released, and it knows of it"
        ),
        f"""
        SELECT c.activity_id FROM (
            SELECT token, activity_id FROM whole_claims UNION ALL
            SELECT token, activity_id FROM interval_claims) c
        LEFT JOIN (
            SELECT id, claim_tokens FROM activities WHERE {KEEPS} UNION ALL
            SELECT id, claim_tokens FROM platform_claims WHERE {of_claims.HOLDS}) a ON a.id = c.activity_id
        WHERE a.id IS NULL OR position(uuid_send(c.token) IN a.claim_tokens) = 0 ORDER BY 1 LIMIT 1
        """,
    ),
    "receipts": (
        "Every activity has one receipt, and every receipt its activity",
        """
        SELECT coalesce(a.id, r.activity_id) FROM activities a
        FULL JOIN (SELECT activity_id, holder_id, count(*) AS number FROM receipts GROUP BY 1, 2) r
            ON r.activity_id = a.id AND r.holder_id = a.holder_id
        WHERE a.id IS NULL OR r.number IS DISTINCT FROM 1 ORDER BY 1 LIMIT 1
        """,
    ),
    "balances": (
        "Every balance equals the sum of its entries",
        f"""
        SELECT coalesce(b.holder_id, e.holder_id) FROM balances b
        FULL JOIN (
            SELECT holder_id, {", ".join(f"{_net(account)} AS {name}" for account, name in STORED.items())}
            FROM entries GROUP BY holder_id) e ON e.holder_id = b.holder_id
        WHERE b.holder_id IS NULL OR {" OR ".join(f"b.{name} <> coalesce(e.{name}, 0)" for name in STORED.values())}
        ORDER BY 1 LIMIT 1
        """,
    ),
    "entries_of_activities": (
        "The entries of an activity are its credit, and nothing is left of a reversed one",
        f"""
        SELECT coalesce(a.id, e.cause_id) FROM activities a
        FULL JOIN (
            SELECT cause_id, {_net(AccountKind.HOLDER_OPEN)} AS open_mg,
                {_net(AccountKind.HOLDER_POINTS)} - {_net(AccountKind.HOLDER_OWED)} + {_net(AccountKind.LOSS)} AS points
            FROM entries WHERE kind IN ({_OF_ACTIVITIES}) AND party_id IS NULL
            GROUP BY cause_id) e ON e.cause_id = a.id
        WHERE a.id IS NULL
           OR coalesce(e.open_mg, 0) <> CASE WHEN {EARNED} THEN a.co2e_mg ELSE 0 END
           OR coalesce(e.points, 0) <> CASE WHEN {EARNED} THEN a.points ELSE 0 END
        ORDER BY 1 LIMIT 1
        """,
    ),
    "assets_of_activities": (
        "The grams that stand of an activity are of the text that it is computed by",
        f"""
        SELECT e.cause_id FROM (
            SELECT cause_id, asset_id FROM entries WHERE kind IN ({_OF_ACTIVITIES})
            GROUP BY cause_id, asset_id
            HAVING sum(CASE WHEN debit < credit THEN amount ELSE -amount END) <> 0) e
        JOIN assets s ON s.id = e.asset_id AND s.kind = 'reduction'
        JOIN activities a ON a.id = e.cause_id
        WHERE s.methodology_id <> a.methodology_id ORDER BY 1 LIMIT 1
        """,
    ),
    "recalculated": (
        "What a recalculation last made of an activity is what it is, and each begins with what the one before left",
        """
        SELECT r.activity_id FROM (
            SELECT holder_id, activity_id, after_methodology_id, after_outcome, after_reason, after_mg, after_full_mg,
                after_points, after_aggregated_mg, before_methodology_id, before_mg, before_full_mg, before_points,
                lag(after_methodology_id) OVER w AS left_methodology_id, lag(after_mg) OVER w AS left_mg,
                before_aggregated_mg,
                lag(after_full_mg) OVER w AS left_full_mg, lag(after_points) OVER w AS left_points,
                lag(after_aggregated_mg) OVER w AS left_aggregated_mg,
                row_number() OVER (PARTITION BY holder_id, activity_id ORDER BY at DESC, recalculation_id DESC) AS back
            FROM recalculated_activities
            WINDOW w AS (PARTITION BY holder_id, activity_id ORDER BY at, recalculation_id)) r
        LEFT JOIN activities a ON a.holder_id = r.holder_id AND a.id = r.activity_id
        WHERE a.id IS NULL
           OR r.left_methodology_id IS NOT NULL
              AND (r.left_methodology_id, r.left_mg, r.left_full_mg, r.left_points, r.left_aggregated_mg)
                  IS DISTINCT FROM (r.before_methodology_id, r.before_mg, r.before_full_mg, r.before_points,
                                    r.before_aggregated_mg)
           OR r.back = 1 AND ((r.after_methodology_id, r.after_mg, r.after_full_mg, r.after_points, r.after_reason,
                                  r.after_aggregated_mg)
                  IS DISTINCT FROM (a.methodology_id, a.co2e_mg, a.full_mg, a.points, a.reason, a.aggregated_mg)
              OR r.after_outcome <> a.outcome
                 AND NOT (r.after_outcome = 'pending' AND a.outcome IN ('credited', 'capped')))
        ORDER BY 1 LIMIT 1
        """,
    ),
    "recalculations": (
        "A recalculation that is over changed as many activities as it says, and the sums it says",
        """
        SELECT c.id FROM recalculations c
        LEFT JOIN (SELECT recalculation_id, count(*) AS number, sum(before_mg) AS before_mg, sum(after_mg) AS after_mg,
                sum(before_points) AS before_points, sum(after_points) AS after_points
            FROM recalculated_activities GROUP BY 1) r ON r.recalculation_id = c.id
        WHERE coalesce(r.number, 0) <> (c.totals #>> '{total,activities}')::bigint
           OR coalesce(r.before_mg, 0) <> (c.totals #>> '{total,before_mg}')::bigint
           OR coalesce(r.after_mg, 0) <> (c.totals #>> '{total,after_mg}')::bigint
           OR coalesce(r.before_points, 0) <> (c.totals #>> '{total,before_points}')::bigint
           OR coalesce(r.after_points, 0) <> (c.totals #>> '{total,after_points}')::bigint
        ORDER BY 1 LIMIT 1
        """,
    ),
    "aggregated": (
        "What platforms have aggregated is what the activities say, and nothing is left of a reversed one",
        f"""
        SELECT coalesce(a.id, e.cause_id) FROM (
            SELECT id, aggregated_mg FROM activities WHERE aggregated_mg > 0 AND {EARNED}) a
        FULL JOIN (
            SELECT cause_id, sum(CASE WHEN credit = {_PLATFORM} THEN amount ELSE -amount END) AS mg
            FROM entries WHERE {_PLATFORM} IN (debit, credit) GROUP BY cause_id) e
            ON e.cause_id = a.id
        WHERE coalesce(e.mg, 0) <> coalesce(a.aggregated_mg, 0) ORDER BY 1 LIMIT 1
        """,
    ),
    "assets_mixed": (
        "Reductions move between reduction accounts, points between points accounts",
        f"""
        SELECT e.cause_id FROM entries e LEFT JOIN assets a ON a.id = e.asset_id
        LEFT JOIN (VALUES {", ".join(f"('{kind}', {low:d}, {high:d})" for kind, low, high in MOVES)})
            AS m (kind, low, high)
            ON m.kind = a.kind AND m.low = least(e.debit, e.credit) AND m.high = greatest(e.debit, e.credit)
        WHERE m.kind IS NULL ORDER BY 1 LIMIT 1
        """,
    ),
    "lots": (
        "The lots of a holder add up to its points",
        """
        SELECT coalesce(b.holder_id, l.holder_id) FROM balances b
        FULL JOIN (SELECT holder_id, sum(remaining) AS points FROM lots GROUP BY holder_id) l
            ON l.holder_id = b.holder_id
        WHERE b.holder_id IS NULL OR b.points <> coalesce(l.points, 0) ORDER BY 1 LIMIT 1
        """,
    ),
    "negative": (
        "No balance and no lot is negative, no cap is exceeded",
        """
        SELECT holder_id FROM balances
        WHERE least(open_mg, issued_mg, used_mg, excluded_mg, points, held_points, owed_points) < 0
        UNION ALL SELECT holder_id FROM lots WHERE remaining < 0
        UNION ALL SELECT holder_id FROM cap_usage WHERE used < 0 OR used > cap LIMIT 1
        """,
    ),
    "methodologies_overlap": (
        "No two active versions of one region and scene are in force on one day",
        f"""
        WITH held AS (
            SELECT r.id, r.region, r.scene, r.first_day,
                coalesce(least(r.last_day, min(c.last_day)), 'infinity'::date) AS last_day
            FROM methodology_revisions r
            LEFT JOIN ({COUNTING_CLOSURES}) c
                ON c.region = r.region AND c.code = r.code AND c.version = r.version
            WHERE r.activates_at IS NOT NULL GROUP BY r.id)
        SELECT later.id FROM held later JOIN held earlier
            ON earlier.region = later.region AND earlier.scene = later.scene AND earlier.id <> later.id
        WHERE earlier.first_day <= later.first_day AND later.first_day <= least(earlier.last_day, later.last_day)
        ORDER BY later.first_day DESC, later.id DESC LIMIT 1
        """,
    ),
}
PREFIXES = {
    "balances": "hld",
    "lots": "hld",
    "negative": "hld",
    "methodologies_overlap": "mrv",
    "recalculations": "mrc",
}


AREAS = (
    of_agreements,
    offsetting,
    verification_lots,
    redemption_verification,
    payment_verification,
    settlement_verification,
    of_claims,
    disputes,
    corroborations,
    reviews,
    neighbours,
    labels,
    scores,
    of_units,
    offset_filings,
    events,
    certificates,
    exchanges,
    of_market,
    issuances,
    of_projects,
)
"""Modules that bring rules of their own."""


def queries() -> dict[str, tuple[str, str]]:
    """The rules that are one query each, of all areas."""
    return QUERIES | {rule: query for area in AREAS for rule, query in area.QUERIES.items()}


@dataclass(frozen=True)
class Finding:
    """What a rule found: `breach` is the first row that breaks it, or None."""

    rule: str
    meaning: str
    breach: str | None


Check = Callable[["asyncpg.Connection"], Coroutine[Any, Any, str | None]]


async def verify(driver: "asyncpg.Connection") -> AsyncIterator[Finding]:
    """Check every rule, one after the other, on one snapshot of the caller's transaction."""
    prefixes = PREFIXES | {rule: kind for area in AREAS for rule, kind in area.PREFIXES.items()}
    for rule, (meaning, query) in queries().items():
        found = await driver.fetchval(query)
        prefix = prefixes.get(rule)
        breach = None
        if found is not None:
            row = UUID(bytes=found.bytes)
            breach = owner_id(row) if prefix is None else public_id(prefix, row)
        yield Finding(rule, meaning, breach)
    checks: dict[str, tuple[str, Check]] = {
        "claims_archived": (
            "Files of archived months are as they were written, and hold what holds claims of their days, once",
            _check_archives,
        ),
        "recomputed": ("Every reduction can be computed again from what was stored with it", _recompute),
        "labels_recomputed": (
            "Every label follows from the facts, rules and percentiles that were stored with it",
            labels.recompute,
        ),
        "readings": (
            "Each day of a meter has the uses and totals that its readings come to",
            of_readings.check_days,
        ),
        "ledger_heads": (
            "Each day's head of the ledger is what its entries and the head before it come to, and no day is left out",
            of_heads.broken,
        ),
        "issuance_roots": (
            "The root of a closed period is that of the tree over its entries",
            roots.check_roots,
        ),
        "caps": ("The use of each cap is what its activities add up to", _recount_caps),
        "rights": ("The service's role owns nothing and cannot change entries", _check_rights),
    }
    for rule, (meaning, check) in checks.items():
        yield Finding(rule, meaning, await check(driver))


async def _texts(driver: "asyncpg.Connection") -> dict[int, Methodology]:
    """The texts by id. One that cannot be rebuilt is left out: the rule `recomputed` names it."""
    found: dict[int, Methodology] = {}
    for row in await driver.fetch("SELECT id, content FROM methodology_versions"):
        with contextlib.suppress(PackError):
            found[row[0]] = rebuild(row[1])
    return found


async def _recompute(driver: "asyncpg.Connection") -> str | None:
    for row in await driver.fetch("SELECT id, content_hash, content FROM methodology_versions"):
        try:
            rebuilt = rebuild(row[2]).content_hash == row[1]
        except PackError as error:
            return f"methodology {row[0]}: {error.pointer}: {error.message_en}"
        if not rebuilt:
            return f"methodology {row[0]}"
    texts = await _texts(driver)
    cursor = driver.cursor(
        """
        SELECT id, methodology_id, inputs::text, evidence, full_mg, co2e_mg + aggregated_mg, outcome
        FROM activities ORDER BY id
        """,
        prefetch=PAGE,
    )
    async for activity_id, methodology_id, inputs, evidence, full_mg, credited_mg, outcome in cursor:
        text = texts.get(methodology_id)
        try:
            computed = 0 if text is None else text.share(text.quantify(orjson.loads(inputs)), evidence)
        except Refused:
            computed = 0
        right = text is not None and credited_mg <= full_mg
        if outcome in ("credited", "capped"):
            right = right and computed == full_mg and (outcome == "capped") == (credited_mg < full_mg)
        elif outcome == "pending":
            right = right and computed == full_mg
        else:
            right = right and credited_mg == 0 and full_mg in (0, computed)
        if not right:
            return public_id("act", activity_id)
    return None


async def _recount_caps(driver: "asyncpg.Connection") -> str | None:
    """Merge two streams, both by holder: the stored windows, and those that activities add up to."""
    texts = await _texts(driver)
    limits = {key: (cap_rules(text), aggregation_rule(text)) for key, text in texts.items()}
    limited = [key for key, rules in limits.items() if any(rules)]
    stored = driver.cursor(
        "SELECT holder_id, rule, window_start, used FROM cap_usage WHERE used <> 0 ORDER BY holder_id",
        prefetch=PAGE,
    )
    acts = driver.cursor(
        f"""
        SELECT holder_id, methodology_id, extract(epoch FROM started_at)::bigint, co2e_mg, aggregated_mg, source_id
        FROM activities
        WHERE {HOLDS} AND methodology_id = ANY($1::int[]) ORDER BY holder_id
        """,
        limited,
        prefetch=PAGE,
    )
    windows = _by_holder(stored)
    counts = _by_holder(acts)
    left, right = await anext(windows, None), await anext(counts, None)
    while left is not None or right is not None:
        holder = min(group[0] for group in (left, right) if group is not None)
        used: dict[tuple[str, datetime.date], int] = {}
        wanted: dict[tuple[str, datetime.date], int] = {}
        if left is not None and left[0] == holder:
            used = {(row[1], row[2]): row[3] for row in left[1]}
            left = await anext(windows, None)
        if right is not None and right[0] == holder:
            wanted = _count(right[1], limits)
            right = await anext(counts, None)
        if used != wanted:
            return public_id("hld", holder)
    return None


def _count(
    rows: "list[asyncpg.Record]", limits: dict[int, tuple[tuple[CapRule, ...], CapRule | None]]
) -> dict[tuple[str, datetime.date], int]:
    counted: dict[tuple[str, datetime.date], int] = {}
    for _, methodology_id, started_s, co2e_mg, aggregated_mg, source_id in rows:
        caps, aggregation = limits[methodology_id]
        for cap in caps:
            key = (cap.key, window_start(cap.per, started_s))
            counted[key] = counted.get(key, 0) + (1 if cap.counted else co2e_mg + aggregated_mg)
        if aggregated_mg and aggregation is not None:
            key = (aggregation_key(aggregation, source_id), window_start(aggregation.per, started_s))
            counted[key] = counted.get(key, 0) + aggregated_mg
    return {key: amount for key, amount in counted.items() if amount}


async def _by_holder(cursor: Any) -> AsyncIterator[tuple[UUID, "list[asyncpg.Record]"]]:
    group: list[asyncpg.Record] = []
    async for row in cursor:
        if group and group[0][0] != row[0]:
            yield group[0][0], group
            group = []
        group.append(row)
    if group:
        yield group[0][0], group


async def _check_archives(driver: "asyncpg.Connection") -> str | None:
    holding = f"""
        SELECT a.id, a.token FROM (
            SELECT id, encode(substring(claim_tokens FROM 16 * n + 1 FOR 16), 'hex')::uuid AS token,
                (started_at AT TIME ZONE 'Asia/Shanghai')::date AS first_day,
                (ended_at AT TIME ZONE 'Asia/Shanghai')::date AS last_day
            FROM activities, generate_series(0, octet_length(claim_tokens) / 16 - 1) AS n WHERE {KEEPS}
            UNION ALL
            SELECT id, encode(substring(claim_tokens FROM 16 * n + 1 FOR 16), 'hex')::uuid, first_day, last_day
            FROM platform_claims, generate_series(0, octet_length(claim_tokens) / 16 - 1) AS n
            WHERE {of_claims.HOLDS}) a
        LEFT JOIN whole_claims w ON w.token = a.token AND w.activity_id = a.id
        LEFT JOIN interval_claims i ON i.token = a.token AND i.activity_id = a.id
        WHERE w.token IS NULL AND i.token IS NULL AND ({of_claims.ARCHIVED})
    """
    found = await check_archives(driver, holding)
    return owner_id(found) if isinstance(found, UUID) else found


async def _check_rights(driver: "asyncpg.Connection") -> str | None:
    """Rights count wherever they come from: another role, a column, one month's partition."""
    unsafe = await driver.fetchval(
        """
        SELECT rolsuper OR rolcreaterole OR rolbypassrls
            OR EXISTS (SELECT FROM pg_class c WHERE pg_has_role(r.oid, c.relowner, 'MEMBER'))
        FROM pg_roles r WHERE rolname = current_user
        """
    )
    if unsafe is not False:
        return "the role has rights of an owner"
    found = await driver.fetchval(
        """
        SELECT p.name || ' on ' || c.relname
        FROM pg_class c, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS p (name)
        WHERE c.relkind IN ('r', 'p') AND coalesce(pg_partition_root(c.oid), c.oid) = ANY($1::regclass[])
            AND (has_table_privilege(c.oid, p.name)
                OR (p.name = 'UPDATE' AND has_any_column_privilege(c.oid, p.name)))
        ORDER BY c.relispartition, c.relname LIMIT 1
        """,
        KEPT_TABLES,
    )
    return None if found is None else str(found)
