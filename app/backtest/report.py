"""A finished backtest: what was asked, what was found, as tables of texts and numbers."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import orjson

from accounts.quantities import grams
from app.backtest.export import Manifest
from app.backtest.figures import Findings, Group, HolderSums, Sums, half_away
from app.crediting.rules import cap_rules
from methodologies import Methodology

Cell = str | int
COLUMNS = (
    "activities",
    "holders",
    "before_mg",
    "after_mg",
    "change_mg",
    "mean_change_mg",
    "before_points",
    "after_points",
    "change_points",
    "before_capped",
    "after_capped",
    "newly_capped",
)
_TOGETHER = (
    "not told apart: grams are the person's and the platform's together, points as if nothing were aggregated "
    "不区分：减排量为个人与平台合计，积分按未归集计"
)


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the report: its name in files, its title, its columns and rows."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def dicts(self) -> list[dict[str, Cell]]:
        """The rows by column."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Report:
    """A backtest with its tables. Holders have pseudonyms that are this report's own."""

    methodology: Methodology
    against: Methodology | None
    """None where each act's own methodology was meant."""
    manifest: Manifest
    reused: bool
    engine: str
    seconds: str
    findings: Findings
    tables: tuple[Table, ...]

    def against_names(self) -> list[str]:
        """The versions before."""
        if self.against is not None:
            return [name_of(self.against)]
        return self.credited

    @property
    def aggregates(self) -> bool:
        """Whether a text that is compared lets platforms aggregate, which no backtest can tell apart."""
        compared = [
            orjson.loads(each.content) for each in (self.methodology, self.against) if each is not None
        ]
        stored = [orjson.loads(content) for content in self.manifest.versions]
        return any("aggregation" in each for each in [*compared, *stored])

    @property
    def credited(self) -> list[str]:
        """The versions that decided the acts."""
        from_content = [orjson.loads(content) for content in self.manifest.versions]
        return [f"{each['code']}/{each['version']}/{each['region']}" for each in from_content]

    def as_dict(self) -> dict[str, Any]:
        """For programs: whole mg and points."""
        found = self.findings
        return {
            "methodology": name_of(self.methodology),
            "against": "credited" if self.against is None else name_of(self.against),
            "against_versions": self.against_names(),
            "scene": self.manifest.scene,
            "from": self.manifest.first_day.isoformat(),
            "to": self.manifest.last_day.isoformat(),
            "engine": self.engine,
            "seconds": self.seconds,
            "not_reckoned": ["aggregation"] if self.aggregates else [],
            "export": {
                "rows": self.manifest.rows,
                "lead_day": self.manifest.lead_day.isoformat(),
                "set_aside": self.manifest.set_aside,
                "waiting": self.manifest.waiting,
                "waiting_mg": self.manifest.waiting_mg,
                "exported_at": self.manifest.exported_at.isoformat(),
                "sha256": self.manifest.sha256,
                "reused": self.reused,
            },
            "total": _named(found.total, found.holders),
            "stored_mg": found.stored_mg,
            "stored_points": found.stored_points,
            "holders_newly_capped": found.holders_newly_capped,
            **{table.name: table.dicts() for table in self.tables},
        }


def name_of(methodology: Methodology) -> str:
    """Code, version and region."""
    return f"{methodology.code}/{methodology.version}/{methodology.region}"


def tables_of(
    findings: Findings, scene: str, versions: tuple[Sequence[Methodology], Sequence[Methodology]]
) -> tuple[Table, ...]:
    """The tables of a report, with fresh pseudonyms; `versions` are those before and after."""
    key = secrets.token_bytes(32)
    limits = [_limits(side) for side in versions]
    return (
        _grouped("by_scene", "By scene 按场景", "scene", [Group(scene, findings.total, findings.holders)]),
        _grouped("by_region", "By district 按地区", "region", findings.regions),
        _grouped("by_month", "By month 按月", "month", findings.months),
        _grouped(
            "by_decile", "By decile of holders 按主体十分位 (1 = least 最少)", "decile", findings.deciles
        ),
        _holders("gain_most", "Gain most 增加最多", findings.gain, key),
        _holders("lose_most", "Lose most 减少最多", findings.lose, key),
        Table(
            "by_cap",
            "By cap 按上限 (acts that it held back 被其拦下的行为)",
            (
                *("cap", "before_limit", "after_limit"),
                *("before", "after", "change", "newly_capped", "holders"),
            ),
            tuple(
                (
                    *(each.key, *(side.get(each.key, "-") for side in limits)),
                    *(each.before, each.after, each.after - each.before, each.newly, each.holders),
                )
                for each in findings.caps
            ),
        ),
        Table(
            "refused",
            "Refused by the text 被文本拒绝",
            ("reason", "before", "after", "change"),
            tuple(
                (each.reason, each.before, each.after, each.after - each.before) for each in findings.refused
            ),
        ),
    )


def kilograms(mg: int, decimals: int = 3) -> str:
    """Milligrams as kg CO2e, rounded half away from zero."""
    unit = 10**decimals
    rounded = half_away(Fraction(mg * unit, 10**6))
    whole, rest = divmod(abs(rounded), unit)
    return f"{'-' if rounded < 0 else ''}{whole:,}" + (f".{rest:0{decimals}d}" if decimals else "")


def percent(part: int, whole: int) -> str:
    """A share with one decimal, for display; empty where there is no whole."""
    if not whole:
        return ""
    tenths = half_away(Fraction(1000 * part, whole))
    sign = "-" if tenths < 0 else "+"
    return f"{sign}{abs(tenths) // 10}.{abs(tenths) % 10} %"


def headline(report: Report) -> Sequence[tuple[str, str]]:
    """What to know first, as pairs of label and text."""
    found, total = report.findings, report.findings.total
    against = ", ".join(report.against_names()) or "-"
    points = total.after_points - total.before_points
    change = f"{kilograms(total.change_mg)} kg CO2e {percent(total.change_mg, total.before_mg)}"
    caps = f"{total.before_capped:,} → {total.after_capped:,} acts 行为"
    newly = f"{total.newly_capped:,} acts, {found.holders_newly_capped:,} holders 主体"
    ledger = f"{kilograms(found.stored_mg)} kg CO2e, {found.stored_points:,} points 积分"
    manifest = report.manifest
    waiting = (
        f"{manifest.waiting:,} acts, {kilograms(manifest.waiting_mg)} kg CO2e: waiting or lapsed, reckoned before "
        "and after as if collected 待领取或已失效，前后均按已领取计"
    )
    return (
        ("Methodology 方法学", name_of(report.methodology)),
        ("Against 对比", against if report.against else f"{against} (credited by 入账版本)"),
        ("Period 期间", f"{report.manifest.first_day} … {report.manifest.last_day}"),
        ("Activities 行为", f"{total.activities:,} of {found.holders:,} holders 主体"),
        ("Before 之前", f"{kilograms(total.before_mg)} kg CO2e, {total.before_points:,} points 积分"),
        ("After 之后", f"{kilograms(total.after_mg)} kg CO2e, {total.after_points:,} points 积分"),
        ("Change 变化", f"{change}, mean 平均 {grams(total.mean_change_mg)} g"),
        ("Cost in points 积分成本", f"{points:+,} {percent(points, total.before_points)}"),
        ("Caps 上限", f"{caps}; newly 新触及 {newly}"),
        ("In the ledger 账上", f"{ledger} (caps in order of booking 上限按入账顺序)"),
        *([("Aggregation 平台归集", _TOGETHER)] if report.aggregates else []),
        *((("Not collected 未领取", waiting),) if manifest.waiting else ()),
    )


def _limits(versions: Sequence[Methodology]) -> dict[str, str]:
    """What each cap allows, by its key; several where versions differ."""
    found: dict[str, dict[str, None]] = {}
    for rule in (rule for each in versions for rule in cap_rules(each)):
        limit = f"{rule.limit:,}" if rule.counted else f"{kilograms(rule.limit)} kg"
        found.setdefault(rule.key, {})[f"{limit} / {rule.per}"] = None
    return {key: ", ".join(limits) for key, limits in found.items()}


def _named(sums: Sums, holders: int) -> dict[str, Cell]:
    return dict(zip(COLUMNS, _cells(sums, holders), strict=True))


def _cells(sums: Sums, holders: int) -> tuple[int, ...]:
    return (
        sums.activities,
        holders,
        sums.before_mg,
        sums.after_mg,
        sums.change_mg,
        sums.mean_change_mg,
        sums.before_points,
        sums.after_points,
        sums.after_points - sums.before_points,
        sums.before_capped,
        sums.after_capped,
        sums.newly_capped,
    )


def _grouped(name: str, title: str, key: str, groups: Sequence[Group]) -> Table:
    return Table(
        name, title, (key, *COLUMNS), tuple((each.key, *_cells(each.sums, each.holders)) for each in groups)
    )


def _holders(name: str, title: str, holders: Sequence[HolderSums], key: bytes) -> Table:
    columns = tuple(column for column in COLUMNS if column != "holders")
    rows = []
    for each in holders:
        named = _named(each.sums, 1)
        rows.append((_pseudonym(key, each.holder), *(named[column] for column in columns)))
    return Table(name, title, ("holder", *columns), tuple(rows))


def _pseudonym(key: bytes, holder: int) -> str:
    return "h-" + hashlib.blake2b(holder.to_bytes(8, "big"), key=key, digest_size=6).hexdigest()
