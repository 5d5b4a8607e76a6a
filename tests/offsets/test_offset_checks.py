"""What may be used against an obligation: the known markets as they are known, and limits under any sequence."""

import datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from accounts.offset_rules.checking import (
    CheckedLine,
    CheckReport,
    ObligationFacts,
    Outcome,
    Verdict,
    check,
    counted,
)
from accounts.offset_rules.rules import OffsetRules, book, within

DAY = datetime.date
BOOK = book()
HEBEI_CCER = ("ccer", "130000", 2019)
BEIJING_TRAVEL = ("bj_low_carbon_travel", "110000", 2020)


def checked(
    market: str,
    period: int,
    filed_on: DAY,
    *lines: tuple[tuple[str | None, str, int], int],
    own: bool = False,
    **facts: object,
) -> CheckReport:
    found = BOOK.market(market)
    assert found is not None
    known = {"firm_region": found.region, "issued_t": 100_000, "surrender_t": 90_000} | facts
    return check(
        BOOK,
        found.in_force(filed_on, period),
        ObligationFacts(market, period, filed_on=filed_on, **known),  # type: ignore[arg-type]
        [CheckedLine(*what, quantity_kg=kg, own_boundary=own) for what, kg in lines],
    )


def broken(report: CheckReport) -> set[tuple[str, str | None]]:
    return {(each.clause, each.limit) for each in report.findings if each.outcome is Outcome.BROKEN}


def unknown(report: CheckReport) -> set[str]:
    return {each.clause for each in report.findings if each.outcome is Outcome.UNKNOWN}


def test_beijing_2021_as_published() -> None:
    on_time = DAY(2021, 9, 1)
    full = checked("beijing", 2021, on_time, (HEBEI_CCER, 2_500_000), (BEIJING_TRAVEL, 2_500_000))
    assert full.verdict is Verdict.ALLOWED
    caps = {each.limit: each.figures["cap_kg"] for each in full.findings if each.clause == "limit"}
    assert caps == {"all": 5_000_000, "ccer_outside": 2_500_000}
    assert all(each.source is not None for each in full.findings if each.outcome is Outcome.MET)
    more = checked("beijing", 2021, on_time, (HEBEI_CCER, 2_500_000), (BEIJING_TRAVEL, 2_501_000))
    assert broken(more) == {("limit", "all")}
    outside = checked("beijing", 2021, on_time, (HEBEI_CCER, 2_501_000))
    assert broken(outside) == {("limit", "ccer_outside")}
    inside = checked("beijing", 2021, on_time, (("ccer", "110105", 2019), 5_000_000))
    assert inside.verdict is Verdict.ALLOWED
    late = checked("beijing", 2021, DAY(2021, 9, 2), (HEBEI_CCER, 1_000))
    assert (late.verdict, broken(late)) == (Verdict.REFUSED, {("deadline", None)})


def test_what_was_filed_before_counts() -> None:
    before = {"all": 4_999_000, "ccer_outside": 0}
    report = checked("beijing", 2021, DAY(2021, 8, 1), (BEIJING_TRAVEL, 2_000), used_kg=before)
    assert broken(report) == {("limit", "all")}
    assert (
        checked("beijing", 2021, DAY(2021, 8, 1), (BEIJING_TRAVEL, 1_000), used_kg=before).verdict
        == "allowed"
    )


def test_beijing_after_2024_is_not_known() -> None:
    report = checked("beijing", 2024, DAY(2024, 9, 29), (HEBEI_CCER, 1_000))
    assert report.verdict is Verdict.UNDETERMINED
    assert unknown(report) == {"deadline", "kind", "vintage", "boundary", "limit"}
    # The day before, the older rule stood; only the day by which to file is not known.
    assert unknown(checked("beijing", 2023, DAY(2024, 9, 28), (HEBEI_CCER, 1_000))) == {"deadline"}


def test_the_nation_limits_by_what_is_to_be_surrendered() -> None:
    file_by = {"file_by": DAY(2026, 12, 31)}
    day = DAY(2026, 11, 22)
    assert unknown(checked("national", 2025, day, (HEBEI_CCER, 1_000))) == {"deadline"}
    assert checked("national", 2025, day, (HEBEI_CCER, 4_500_000), **file_by).verdict == "allowed"
    assert broken(checked("national", 2025, day, (HEBEI_CCER, 4_501_000), **file_by)) == {("limit", "all")}
    assert broken(checked("national", 2025, day, (BEIJING_TRAVEL, 1_000), **file_by)) == {("kind", None)}
    nothing = checked("national", 2025, day, (HEBEI_CCER, 1_000), surrender_t=None, **file_by)
    assert unknown(nothing) == {"limit"}


@pytest.mark.parametrize(
    ("vintage", "own", "clause"), [(2013, False, None), (2012, False, "vintage"), (2013, True, "boundary")]
)
def test_shanghai_excludes_old_reductions_and_the_own_boundary(
    vintage: int, own: bool, clause: str | None
) -> None:
    report = checked(
        "shanghai",
        2015,
        DAY(2016, 6, 1),
        (("ccer", "310000", vintage), 1_000),
        own=own,
        file_by=DAY(2016, 6, 30),
    )
    assert broken(report) == (set() if clause is None else {(clause, None)})
    assert not unknown(report)


def test_wuhan_counts_in_hubei_for_firms_of_wuhan_and_the_limit_is_not_known() -> None:
    line = ((("wuhan", "420100", 2023)), 1_000)
    of_wuhan = checked("hubei", 2022, DAY(2023, 12, 6), line, firm_region="420106", file_by=DAY(2024, 1, 31))
    assert (of_wuhan.verdict, unknown(of_wuhan)) == (Verdict.UNDETERMINED, {"limit"})
    of_yichang = checked(
        "hubei", 2022, DAY(2023, 12, 6), line, firm_region="420500", file_by=DAY(2024, 1, 31)
    )
    assert broken(of_yichang) == {("firm", None)}
    recognised = BOOK.recognised("wuhan", "hubei", DAY(2023, 12, 6))
    assert recognised is not None
    assert recognised.ratio == "one_to_one"
    assert BOOK.recognised("wuhan", "hubei", DAY(2023, 12, 5)) is None


def test_a_year_that_lies_partly_within_the_days_is_not_known() -> None:
    report = checked(
        "hubei", 2014, DAY(2015, 6, 1), (("ccer", "420000", 2015), 1_000), file_by=DAY(2015, 7, 1)
    )
    assert unknown(report) == {"vintage", "limit"}
    caps = [each.figures["cap_kg"] for each in report.findings if each.limit == "all"]
    assert caps == [50_000_000]


def test_the_mechanism_of_nine_exchanges_is_known_and_its_terms_are_not() -> None:
    (mechanism,) = BOOK.mechanisms
    assert (len(mechanism.exchanges), mechanism.first_day) == (9, DAY(2022, 4, 22))
    assert mechanism.rules_unknown is not None
    # Guangdong's reductions in Beijing: before, refused; since the agreement, not known, so nothing is filed by it.
    phcer = (("phcer", "440100", 2021), 1_000)
    assert broken(checked("beijing", 2021, DAY(2021, 8, 1), phcer)) == {("kind", None)}
    since = checked("beijing", 2022, DAY(2022, 4, 22), phcer, file_by=DAY(2022, 9, 1))
    assert (since.verdict, unknown(since)) == (Verdict.UNDETERMINED, {"kind"})


def test_a_market_without_a_rule_says_so() -> None:
    report = checked("guangdong", 2020, DAY(2021, 6, 1), (("phcer", "440000", 2019), 1_000))
    assert (report.verdict, report.rule, unknown(report)) == (Verdict.UNDETERMINED, None, {"rule"})


@given(
    issued_t=st.integers(0, 10**6),
    asked=st.lists(
        st.tuples(
            st.sampled_from(["ccer", "bj_low_carbon_travel"]),
            st.sampled_from(["110000", "110105", "130000", "120000"]),
            st.integers(1, 20_000),
        ),
        max_size=20,
    ),
)
def test_whatever_is_filed_in_whatever_cuts_no_limit_is_exceeded(
    issued_t: int, asked: list[tuple[str, str, int]]
) -> None:
    market = BOOK.market("beijing")
    assert market is not None
    rule = market.in_force(DAY(2021, 8, 1), 2021)
    assert rule is not None
    filed: list[CheckedLine] = []
    for kind, region, tonnes in asked:
        line = CheckedLine(kind, region, 2020, tonnes * 1000)
        used = {limit.code: counted(limit, filed) for limit in rule.limits}
        facts = ObligationFacts("beijing", 2021, "110000", DAY(2021, 8, 1), issued_t, None, None, used)
        report = check(BOOK, rule, facts, [line])
        room = all(
            Fraction(counted(limit, [*filed, line]), 1000)
            <= Fraction(issued_t * (limit.share_bp or 0), 10_000)
            for limit in rule.limits
        )
        assert (report.verdict is Verdict.ALLOWED) == room
        if room:
            filed.append(line)


def test_units_are_of_the_kind_that_markets_know_them_by() -> None:
    assert BOOK.kind_of("project", "ccer", "130000", "P-1") == "ccer"
    assert BOOK.kind_of("issuance", "", "110100", "BJ-LOW-CARBON-TRAVEL.metro") == "bj_low_carbon_travel"
    assert BOOK.kind_of("issuance", "", "110100", "SOMETHING-ELSE") is None
    assert BOOK.kind_of("issuance", "", "440300", "SZ-LOW-CARBON-TRANSIT.metro") == "phcer"
    assert BOOK.kind_of("project", "", "440300", "SZ") is None


def test_regions() -> None:
    assert within("110105", "110000")
    assert within("110000", "100000")
    assert not within("120000", "110000")
    assert not within("440000", "440300")


CLAUSES = {
    "market": "beijing",
    "region": "110000",
    "from": "2030-01-01",
    "document": "x",
    "kinds": {"allowed": ["ccer"], "source": {"title": "x", "confidence": "quoted"}},
    "limits_unknown": {"zh": "x", "en": "x"},
    "deadline": {"unknown": {"zh": "x", "en": "x"}},
    "vintages": {"unstated": True},
    "boundary": {"unstated": True},
}


@pytest.mark.parametrize(
    "over",
    [
        {"market": "nowhere"},
        {"region": "440000"},
        {"kinds": {"allowed": ["ccer"]}},
        {"kinds": {"allowed": ["made_up"], "source": {"title": "x", "confidence": "quoted"}}},
        {"limits_unknown": None},
        {"deadline": {}},
        {"vintages": {}},
        {"vintages": {"unstated": True, "first_day": "2013-01-01"}},
        {"boundary": {"excluded": True}},
    ],
)
def test_a_clause_is_known_with_its_source_or_says_what_is_not(over: dict[str, object]) -> None:
    OffsetRules.model_validate(CLAUSES)
    with pytest.raises(ValidationError):
        OffsetRules.model_validate(CLAUSES | over)
