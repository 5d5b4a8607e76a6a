"""Signals in the intake's own path: one statement for a batch that is watched, none for one that is not."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from app.crediting.decision import HOLDING, Verdict
from app.review import scores
from app.review.scores import Signal, Trace
from dedup.periods import day_of
from dedup.writes import Writes, columns

if TYPE_CHECKING:
    import asyncpg

    from app.crediting.decision import Candidate, CapKey, State
    from app.review.policy import LivePolicy, ReviewPolicies

ORDER = ("pass", "hold", "reject")


@dataclass(slots=True)
class Weighed:
    """What signals said of a batch: candidates that are watched, each with its policy, trace and signals."""

    watched: "list[tuple[Candidate, LivePolicy, Trace]]" = field(default_factory=list)
    found: "list[tuple[Candidate, LivePolicy, Signal, str]]" = field(default_factory=list)


NOTHING = Weighed()


async def weigh(
    driver: "asyncpg.Connection",
    policies: "ReviewPolicies",
    candidates: "Sequence[Candidate]",
    state: "State",
) -> Weighed:
    """Score the candidates of watched regions, and give those that a policy holds or rejects their verdict.

    Their holders are locked. Acts of the same batch count for those behind them.
    """
    weighed = Weighed()
    for candidate in candidates:
        p = candidate.prepared
        if p.refusal is None and (policy := policies.of(p.region, day_of(p.started_s))) is not None:
            weighed.watched.append((candidate, policy, _trace(candidate)))
    if not weighed.watched:
        return weighed
    known, of_device = await _read(driver, weighed.watched)
    used = dict(state.caps)
    for candidate, policy, act in weighed.watched:
        mine = known.setdefault(act.holder_id, [])
        # Another report of the same time and scene is no other act.
        others = [each for each in mine if not _same_time(each, act)]
        device = of_device.setdefault(act.device, set()) if act.device is not None else set()
        action = "pass"
        edge = _reaches_edge(candidate, used)
        for signal, does in _signals(policy, act, others, device, at_edge=edge):
            weighed.found.append((candidate, policy, signal, does))
            action = max(action, does, key=ORDER.index)
        if action != "pass":
            candidate.verdict = Verdict(action)
        if action != "reject":
            mine.append(act)
            device.add((act.holder_id, act.start_s))
            for cap, key in candidate.caps:
                used[key] = used.get(key, 0) + (1 if cap.counted else candidate.prepared.full_mg)
    return weighed


def _signals(
    policy: "LivePolicy",
    act: Trace,
    others: Sequence[Trace],
    of_device: set[tuple[UUID, int]],
    *,
    at_edge: bool,
) -> Iterable[tuple[Signal, str]]:
    text = policy.text
    if (way := text.impossible_travel) and (signal := scores.travel(act, others, way)):
        yield signal, way.action(signal.score)
    if (many := text.many_devices) and (signal := scores.devices(act, others, many)):
        yield signal, many.action(signal.score)
    if (many := text.many_accounts) and (signal := scores.accounts(act, of_device, many)):
        yield signal, many.action(signal.score)
    if (again := text.repeated_trip) and (signal := scores.repeated(act, others, again)):
        yield signal, again.action(signal.score)
    if (cap := text.cap_burst) and (signal := scores.burst(act, others, cap, at_edge=at_edge)):
        yield signal, cap.action(signal.score)


def _trace(candidate: "Candidate") -> Trace:
    p = candidate.prepared
    distance = p.inputs.get("distance_m")
    return Trace(
        activity_id=candidate.activity_id,
        holder_id=candidate.holder_id,
        scene=p.scene,
        region=p.region,
        start_s=p.started_s,
        end_s=p.ended_s,
        distance_m=distance if isinstance(distance, int) else None,
        device=p.device,
    )


def _same_time(one: Trace, other: Trace) -> bool:
    return one.scene == other.scene and one.start_s < other.end_s and other.start_s < one.end_s


def _reaches_edge(candidate: "Candidate", used: "dict[CapKey, int]") -> bool:
    return any(
        used.get(key, 0) + (1 if cap.counted else candidate.prepared.full_mg) >= cap.limit
        for cap, key in candidate.caps
    )


async def _read(
    driver: "asyncpg.Connection", watched: "Sequence[tuple[Candidate, LivePolicy, Trace]]"
) -> tuple[dict[UUID, list[Trace]], dict[UUID, set[tuple[UUID, int]]]]:
    """Traces of the holders, and who used the devices, over the longest window of the batch's policies."""
    reach = max(policy.text.window_s() for _, policy, _ in watched)
    first = min(act.start_s for _, _, act in watched) - reach
    last = max(act.end_s for _, _, act in watched) + reach
    tokens = {act.device for _, _, act in watched if act.device is not None}
    rows = await driver.fetch(
        """
        SELECT holder_id, activity_id, scene, region, extract(epoch FROM started_at)::bigint,
            extract(epoch FROM ended_at)::bigint, distance_m, device
        FROM act_traces
        WHERE holder_id = ANY($1::uuid[]) AND started_at BETWEEN to_timestamp($3::bigint) AND to_timestamp($4::bigint)
        UNION ALL
        SELECT holder_id, NULL, '', '', max(extract(epoch FROM started_at))::bigint, 0, NULL, device
        FROM act_traces
        WHERE device = ANY($2::uuid[]) AND started_at BETWEEN to_timestamp($3::bigint) AND to_timestamp($4::bigint)
        GROUP BY device, holder_id
        """,
        list({act.holder_id for _, _, act in watched}),
        list(tokens),
        first,
        last,
    )
    known: dict[UUID, list[Trace]] = {}
    of_device: dict[UUID, set[tuple[UUID, int]]] = {}
    for holder, activity, scene, region, start_s, end_s, distance, device in rows:
        if activity is None:
            of_device.setdefault(device, set()).add((holder, start_s))
        else:
            known.setdefault(holder, []).append(
                Trace(activity, holder, scene, region, start_s, end_s, distance, device)
            )
    return known, of_device


def write(writes: Writes, weighed: Weighed, now: datetime.datetime) -> None:
    """Keep traces of the acts that count, what signals said, and the reviews of those that are held."""
    traces = [
        (
            act.holder_id,
            act.start_s,
            act.activity_id,
            act.end_s,
            act.scene,
            act.region,
            act.distance_m,
            act.device,
        )
        for candidate, _, act in weighed.watched
        if candidate.outcome in HOLDING
    ]
    if traces:
        writes.add(
            """
            INSERT INTO act_traces
                (holder_id, started_at, activity_id, ended_at, scene, region, distance_m, device)
            SELECT holder, to_timestamp(starts), activity, to_timestamp(ends), scene, region, distance, device
            FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::varchar[], $6::varchar[],
                        $7::bigint[], $8::uuid[])
                AS t (holder, starts, activity, ends, scene, region, distance, device)
            """,
            *columns(traces),
        )
    signals = [
        (
            *(candidate.holder_id, candidate.activity_id, signal.name, signal.score),
            *(action, orjson.dumps(signal.evidence).decode(), policy.id),
        )
        for candidate, policy, signal, action in weighed.found
    ]
    if signals:
        writes.add(
            """
            INSERT INTO act_signals (holder_id, activity_id, signal, score, action, evidence, policy_id)
            SELECT holder, activity, signal, score, action, evidence::jsonb, policy
            FROM unnest($1::uuid[], $2::uuid[], $3::varchar[], $4::smallint[], $5::varchar[], $6::text[], $7::uuid[])
                AS s (holder, activity, signal, score, action, evidence, policy)
            """,
            *columns(signals),
        )
    held = [
        (
            *(candidate.activity_id, candidate.holder_id, candidate.prepared.region),
            *(now + datetime.timedelta(days=policy.text.decide_within_days), policy.text.undecided),
        )
        for candidate, policy, _ in weighed.watched
        if candidate.verdict is Verdict.HOLD and candidate.outcome in HOLDING
    ]
    if held:
        writes.add(
            """
            INSERT INTO held_activities
                (activity_id, holder_id, region, held_at, due_at, undecided, state, reason)
            SELECT activity, holder, region, $6::timestamptz, due, undecided, 'waiting', ''
            FROM unnest($1::uuid[], $2::uuid[], $3::varchar[], $4::timestamptz[], $5::varchar[])
                AS h (activity, holder, region, due, undecided)
            """,
            *columns(held),
            now,
        )
