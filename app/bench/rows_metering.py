"""Rows of readings: how many a second, and a plant's month out of a year of quarter-hours."""

import datetime as dt
import random
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from accounts.enterprises.roles import Role
from accounts.ids import epoch_ms, parse_public_id, uuid7_batch
from accounts.metering.quarters import begins_at, ends_at, first_of, last_before
from app.auth import repository as organisations
from app.auth.clients import create_for_enterprise
from app.bench.lab import Lab, Service, sign_in
from app.bench.load import drive, request
from app.bench.registry import Also, BenchError, Measured, row
from app.database import Database, engine_for

if TYPE_CHECKING:
    from app.auth.clients import NewClient

METERS: Final = 5_000
_CONNECTIONS: Final = 3
_WARM: Final = 6
_DAYS_BEFORE: Final = 30
"""So old are the rows that lie beside those of the newest day."""
_PLANT_DAYS: Final = 365
_PLANT: Final = (
    ("electricity", "import", True),
    ("electricity", "generation", True),
    ("gas", "use", True),
    *(("electricity", "use", False),) * 7,
)
"""Carrier, flow, and whether it counts, of a plant's ten meters."""
_REPORTS: Final = 1_200


@dataclass(frozen=True, slots=True)
class _MeterMade:
    number: str
    carrier: str
    flow: str
    reading: str
    counts: bool


@row("readings_per_s", unit="readings/s", floor=20_000, aim=45_000, also=("registers_per_s",))
async def readings_per_s(lab: Lab) -> Measured:
    """The newest quarter-hour of 5,000 meters a batch, over HTTP, day after day; and of cumulative meters."""
    rates = {}
    for cumulative in (False, True):
        kind = "cumulative" if cumulative else "interval"
        meters = [
            _MeterMade(_number(meter, cumulative=cumulative), "electricity", "use", kind, counts=True)
            for meter in range(METERS)
        ]
        days = () if cumulative else (_DAYS_BEFORE, 10)
        client = await _enterprise(lab, meters, days)
        async with lab.service() as service:
            rates[cumulative] = await _rate(lab, service, client, cumulative=cumulative)
    (per_s, told), (registers, of_registers) = rates[False], rates[True]
    return Measured(per_s, told, (Also("registers_per_s", "readings/s", registers, of_registers),))


async def _rate(lab: Lab, service: Service, client: "NewClient", *, cumulative: bool) -> tuple[float, str]:
    count = 24 if lab.quick else 192
    token = await sign_in(service.url, client)
    newest = last_before(dt.datetime.now(dt.UTC)) - 1
    lab.say(f"  building {count + _WARM} batches of {METERS:,} {'registers' if cumulative else 'amounts'}")
    requests = []
    amounts = 0
    for quarter in range(newest - count - _WARM + 1, newest + 1):
        at = ends_at(quarter).isoformat()
        items = []
        for meter in range(METERS):
            amount = 2_000 + (meter * 37 + quarter * 101) % 3_000
            amounts += amount
            value = quarter * 5_000 + meter if cumulative else amount
            items.append({"meter": _number(meter, cumulative=cumulative), "at": at, "energy_wh": value})
        requests.append(request("/v1/enterprises/readings/batch", token, orjson.dumps(items)))
    await lab.checkpoint()
    await drive(service.url, iter(requests[:_WARM]), connections=1)
    watched = lab.meter(service)
    run = await drive(service.url, iter(requests[_WARM:]), connections=_CONNECTIONS)
    used = watched.told()
    outcomes = Counter(item["outcome"] for body in run.bodies for item in orjson.loads(body)["items"])
    if outcomes != {"stored": count * METERS}:
        raise BenchError(f"not all readings were stored: {dict(outcomes)}")
    await _exact(lab, client, first_of(begins_at(newest - count - _WARM).date()), count, amounts, cumulative)
    rate = outcomes["stored"] / run.seconds
    p50, p99 = run.latency_ms(0.5), run.latency_ms(0.99)
    told = (
        f"{used}; {count} batches of {METERS:,} over {_CONNECTIONS} connections, p50 {p50:.0f} ms and "
        f"p99 {p99:.0f} ms a batch; roll-ups compared with what was sent"
    )
    lab.say(f"  {rate:,.0f} readings/s in {run.seconds:.1f} s; {told}")
    return rate, told


async def _exact(
    lab: Lab, client: "NewClient", first: int, count: int, amounts: int, cumulative: bool
) -> None:
    holder_id = await _holder_of(lab, client)
    async with lab.database() as driver:
        found = await driver.fetchrow(
            "SELECT sum(d.amount) AS amount, sum(d.measured) AS measured,"
            " sum((SELECT sum(a) FROM unnest(d.amounts) AS a)) AS slots"
            " FROM meter_days d JOIN meters m ON m.id = d.meter_id WHERE m.holder_id = $1 AND d.day >= $2",
            holder_id,
            begins_at(first).date(),
        )
    quarters = count + _WARM
    wanted = (quarters - 1) * 5_000 * METERS if cumulative else amounts
    measured = (quarters - cumulative) * METERS
    if (found["amount"], found["measured"], found["slots"]) != (wanted, measured, wanted):
        raise BenchError(f"roll-ups are not what was sent: {dict(found)}, {wanted}, {measured}")


async def _holder_of(lab: Lab, client: "NewClient") -> uuid.UUID:
    async with lab.database() as driver:
        found: uuid.UUID = await driver.fetchval(
            "SELECT holder_id FROM organisations WHERE id = $1",
            parse_public_id("org", client.organisation_id),
        )
    return found


def _number(meter: int, *, cumulative: bool) -> str:
    return f"{'R' if cumulative else 'E'}-{meter:05}"


async def _enterprise(lab: Lab, made: Sequence[_MeterMade], days: tuple[int, int] | tuple[()]) -> "NewClient":
    """An enterprise with its meters, written straight to the tables, and a client of it.

    `days`: from how many days back to how many every quarter-hour is measured.
    """
    now = dt.datetime.now(dt.UTC)
    (holder_id, site_id, organisation_id, *meters) = uuid7_batch(epoch_ms(now), len(made) + 3)
    async with lab.database() as driver:
        await driver.execute(
            "INSERT INTO holders (id, kind, region, person_key, created_at)"
            " VALUES ($1, 'organisation', '330800', $2, $3)",
            holder_id,
            uuid.uuid4().bytes * 2,
            now,
        )
        await driver.execute(
            "INSERT INTO enterprises (holder_id, name, domain, industry_code, region, version, created_at)"
            " VALUES ($1, 'bench', 'industry', 'C3130', '330800', 1, $2)",
            holder_id,
            now,
        )
        await driver.execute(
            "INSERT INTO enterprise_sites (holder_id, id, name, region, version, created_at)"
            " VALUES ($1, $2, 'bench', '330800', 1, $3)",
            holder_id,
            site_id,
            now,
        )
        await driver.execute(
            "INSERT INTO organisations (id, kind, name, region, created_at, holder_id)"
            " VALUES ($1, 'enterprise', 'bench', '330800', $2, $3)",
            organisation_id,
            now,
            holder_id,
        )
        await driver.execute(
            "INSERT INTO meters (holder_id, id, site_id, number, carrier, flow, reading, counts, installed_at,"
            " version, created_at) SELECT $1, m.id, $2, m.number, m.carrier, m.flow, m.reading, m.counts,"
            " '2018-01-01', 1, $3 FROM unnest($4::uuid[], $5::varchar[], $6::varchar[], $7::varchar[],"
            " $8::varchar[], $9::boolean[]) AS m (id, number, carrier, flow, reading, counts)",
            holder_id,
            site_id,
            now,
            meters,
            [each.number for each in made],
            [each.carrier for each in made],
            [each.flow for each in made],
            [each.reading for each in made],
            [each.counts for each in made],
        )
        if days:
            await driver.execute(
                "INSERT INTO meter_days (meter_id, day, amount, measured, estimated, amounts)"
                " SELECT m, d, 96000, 96, 0, array_fill(1000::bigint, ARRAY[96]) FROM unnest($1::uuid[]) AS m,"
                " generate_series($2::date - $3::integer, $2::date - $4::integer, interval '1 day') AS d",
                meters,
                now.date(),
                *days,
            )
        await driver.execute("VACUUM (ANALYZE) meters, meter_days")
    database = Database(engine_for(lab.stack.database_url, pool_size=1))
    try:
        async with database.transaction() as session:
            organisation = await organisations.organisation_of(session, holder_id)
            if organisation is None:
                raise BenchError("the enterprise has no organisation")
            return await create_for_enterprise(session, organisation, Role.ENERGY_MANAGER, now)
    finally:
        await database.close()


@row("plant_month_p99_ms", unit="ms", floor=100, aim=20)
async def plant_month_p99_ms(lab: Lab) -> Measured:
    """The report of a month of a plant: ten meters with a year of quarter-hours, one request after the other."""
    made = [
        _MeterMade(f"P-{number}", carrier, flow, "interval", counts)
        for number, (carrier, flow, counts) in enumerate(_PLANT)
    ]
    client = await _enterprise(lab, made, (_PLANT_DAYS, 1))
    today = dt.datetime.now(dt.UTC).date()
    months = [f"{today - dt.timedelta(days=back):%Y-%m}" for back in range(45, _PLANT_DAYS - 31, 28)]
    drawn = random.Random(11)
    async with lab.service() as service:
        token = await sign_in(service.url, client)
        requests = [
            f"GET /v1/enterprises/reports/{drawn.choice(months)} HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
            for _ in range(_REPORTS)
        ]
        await lab.checkpoint()
        await drive(service.url, iter(requests[:100]), connections=1)
        watched = lab.meter(service)
        run = await drive(service.url, iter(requests), connections=1)
        used = watched.told()
    reports = [orjson.loads(body) for body in run.bodies]
    if any(not int(report["co2e_g"].partition(".")[0]) for report in reports):
        raise BenchError("a month without emissions")
    return Measured(
        run.latency_ms(0.99),
        f"GET /v1/enterprises/reports/{{month}} computed anew, {len(_PLANT)} meters with {_PLANT_DAYS * 96:,} "
        f"quarter-hours each, {_REPORTS:,} requests one after the other; p50 {run.latency_ms(0.5):.1f} ms; {used}",
    )
