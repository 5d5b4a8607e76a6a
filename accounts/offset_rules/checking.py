"""Whether reductions may be used against an obligation, clause by clause, with the figures and the source. Pure."""

import datetime
import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from accounts.offset_rules.rules import DatedRule, LimitRule, RuleBook, RuleSource, RuleWords, within


class Outcome(enum.StrEnum):
    """Of a clause."""

    MET = "met"
    BROKEN = "broken"
    UNSTATED = "unstated"
    UNKNOWN = "unknown"


class Verdict(enum.StrEnum):
    """Of a check as a whole. What is undetermined is not filed."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class CheckedLine:
    """Reductions of one origin; `kind` is None where no market names them."""

    kind: str | None
    region: str
    vintage: int
    quantity_kg: int
    own_boundary: bool = False


@dataclass(frozen=True, slots=True)
class ObligationFacts:
    """What an operator put on record of a firm, and what was filed before (kg, by code of the limit)."""

    market: str
    period: int
    firm_region: str
    filed_on: datetime.date
    issued_t: int | None
    surrender_t: int | None
    file_by: datetime.date | None = None
    used_kg: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One clause: what it came to, in words and figures. `line` counts from 0; None: the filing as a whole."""

    clause: str
    outcome: Outcome
    why: RuleWords
    source: RuleSource | None = None
    line: int | None = None
    limit: str | None = None
    figures: Mapping[str, int | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All findings, and what they come to."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    rule: str | None


def check(
    books: RuleBook, rule: DatedRule | None, facts: ObligationFacts, lines: Sequence[CheckedLine]
) -> CheckReport:
    """Check lines of a filing against the rule that is in force on its day."""
    if rule is None:
        why = _words(
            f"未掌握该市场在 {facts.filed_on} 适用于 {facts.period} 年度的规则",
            f"No rule of this market is known for {facts.period}, filed on {facts.filed_on}",
        )
        return CheckReport(Verdict.UNDETERMINED, (Finding("rule", Outcome.UNKNOWN, why),), None)
    findings = (
        *_deadline(rule, facts),
        *_firm(rule, facts),
        *(each for place, line in enumerate(lines) for each in _line(books, rule, facts, place, line)),
        *_limits(rule, facts, lines),
    )
    outcomes = {each.outcome for each in findings}
    verdict = Verdict.ALLOWED
    if Outcome.UNKNOWN in outcomes:
        verdict = Verdict.UNDETERMINED
    if Outcome.BROKEN in outcomes:
        verdict = Verdict.REFUSED
    return CheckReport(verdict, findings, rule.code)


def _words(zh: str, en: str) -> RuleWords:
    return RuleWords(zh=zh, en=en)


def _deadline(rule: DatedRule, facts: ObligationFacts) -> Iterator[Finding]:
    """The earlier of the rule's own day and the one that the operator's document names."""
    known = [day for day in (rule.deadline.days.get(facts.period), facts.file_by) if day is not None]
    if not known:
        why = rule.deadline.unknown or _words("截止日未知", "The day is not known")
        yield Finding("deadline", Outcome.UNKNOWN, why, figures={"period": facts.period})
        return
    last = min(known)
    late = facts.filed_on > last
    why = _words(
        f"须于 {last} 前(含当日)提交, 提交日为 {facts.filed_on}",
        f"To be filed by {last}; filed on {facts.filed_on}",
    )
    ours = facts.period in rule.deadline.days and last == rule.deadline.days[facts.period]
    yield Finding(
        "deadline",
        Outcome.BROKEN if late else Outcome.MET,
        why,
        rule.deadline.source if ours else None,
        figures={"last_day": last.isoformat(), "filed_on": facts.filed_on.isoformat()},
    )


def _firm(rule: DatedRule, facts: ObligationFacts) -> Iterator[Finding]:
    if rule.firms_in is not None:
        inside = within(facts.firm_region, rule.firms_in.region)
        why = _words(
            f"仅限 {rule.firms_in.region} 辖区内的企业", f"Only for firms within {rule.firms_in.region}"
        )
        yield Finding("firm", Outcome.MET if inside else Outcome.BROKEN, why, rule.firms_in.source)


def _line(
    books: RuleBook, rule: DatedRule, facts: ObligationFacts, place: int, line: CheckedLine
) -> Iterator[Finding]:
    yield _kind(books, rule, facts, place, line)
    yield _vintage(rule, place, line)
    yield _boundary(rule, place, line)


def _kind(books: RuleBook, rule: DatedRule, facts: ObligationFacts, place: int, line: CheckedLine) -> Finding:
    if rule.kinds.unknown is not None:
        return Finding("kind", Outcome.UNKNOWN, rule.kinds.unknown, line=place)
    named = None if line.kind is None else books.kind(line.kind)
    if named is not None and named.code in rule.kinds.allowed:
        why = _words(f"{named.name.zh}可用", f"{named.name.en}: taken by this market")
        return Finding("kind", Outcome.MET, why, rule.kinds.source, place)
    found = None if named is None else books.recognised(named.code, facts.market, facts.filed_on)
    if named is not None and found is not None:
        why = _words(f"{named.name.zh}经互认可用", f"{named.name.en}: recognised by this market")
        return Finding("kind", Outcome.MET, why, found.source, place)
    agreed = books.agreed(line.region, facts.market, facts.filed_on)
    if agreed is not None and agreed.rules_unknown is not None:
        why = _words(
            f"{agreed.name.zh}: {agreed.rules_unknown.zh}", f"{agreed.name.en}: {agreed.rules_unknown.en}"
        )
        return Finding("kind", Outcome.UNKNOWN, why, agreed.source, place)
    why = _words("该类减排量不在本市场可用之列", "This market does not take reductions of this kind")
    return Finding("kind", Outcome.BROKEN, why, rule.kinds.source, place)


def _vintage(rule: DatedRule, place: int, line: CheckedLine) -> Finding:
    text = rule.vintages
    figures: dict[str, int | str | None] = {"vintage": line.vintage}
    if text.unstated:
        why = _words("已知规则未提及减排发生时间", "What is known of the rule says nothing of vintages")
        return Finding("vintage", Outcome.UNSTATED, why, line=place, figures=figures)
    if text.unknown is not None:
        return Finding("vintage", Outcome.UNKNOWN, text.unknown, line=place, figures=figures)
    first, last = datetime.date(line.vintage, 1, 1), datetime.date(line.vintage, 12, 31)
    from_, until = text.first_day or datetime.date.min, text.last_day or datetime.date.max
    outcome = Outcome.UNKNOWN
    if from_ <= first and last <= until:
        outcome = Outcome.MET
    elif last < from_ or until < first:
        outcome = Outcome.BROKEN
    days = f"{text.first_day or '…'} – {text.last_day or '…'}"
    why = _words(f"减排须发生于 {days}", f"Reductions must have happened in {days}")
    return Finding("vintage", outcome, why, text.source, place, figures=figures)


def _boundary(rule: DatedRule, place: int, line: CheckedLine) -> Finding:
    text = rule.boundary
    if text.unknown is not None:
        return Finding("boundary", Outcome.UNKNOWN, text.unknown, line=place)
    if text.unstated:
        why = _words(
            "已知规则未提及企业自身排放边界",
            "What is known of the rule says nothing of the firm's own boundary",
        )
        return Finding("boundary", Outcome.UNSTATED, why, line=place)
    why = _words("不得来自企业自身排放边界内", "None from within the firm's own boundary")
    return Finding("boundary", Outcome.BROKEN if line.own_boundary else Outcome.MET, why, text.source, place)


def _limits(rule: DatedRule, facts: ObligationFacts, lines: Sequence[CheckedLine]) -> Iterator[Finding]:
    for limit in rule.limits:
        yield _limit(limit, facts, counted(limit, lines))
    if rule.limits_unknown is not None:
        yield Finding("limit", Outcome.UNKNOWN, rule.limits_unknown)


def counted(limit: LimitRule, lines: Sequence[CheckedLine]) -> int:
    """How much of the lines counts to a limit, in kg."""
    return sum(
        line.quantity_kg for line in lines if line.kind is not None and limit.counts(line.kind, line.region)
    )


def _limit(limit: LimitRule, facts: ObligationFacts, asked_kg: int) -> Finding:
    cap = limit.cap_kg(facts.issued_t, facts.surrender_t)
    used = facts.used_kg.get(limit.code, 0)
    figures: dict[str, int | str | None] = {
        "base": limit.base,
        "base_t": facts.issued_t if limit.base == "allowances_issued" else facts.surrender_t,
        "share_bp": limit.share_bp,
        "cap_kg": cap,
        "used_kg": used,
        "asked_kg": asked_kg,
    }
    if limit.base is None:
        figures["base_t"] = None
    if cap is None:
        why = _words("限额的基数未登记", "The figure that the limit is a share of is not on record")
        return Finding("limit", Outcome.UNKNOWN, why, limit.source, None, limit.code, figures)
    figures["left_kg"] = cap - used
    place = "" if limit.outside is None else limit.outside
    why = _words(
        f"至多 {cap:,} kg" + (f"(来自 {place} 以外)" if place else ""),
        f"At most {cap:,} kg" + (f" from outside {place}" if place else ""),
    )
    outcome = Outcome.MET if used + asked_kg <= cap else Outcome.BROKEN
    return Finding("limit", outcome, why, limit.source, None, limit.code, figures)
