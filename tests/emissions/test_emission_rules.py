"""What emissions are computed from: solar power, exports, certificates, factors of their day; rounded once."""

import datetime
import uuid
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.emissions.activity import Amount, Fuel, Fuels, Metered, cells, line_uses, next_month
from accounts.emissions.computing import NO_FACTOR, NO_FUEL, OUTSIDE, Computed, compute, grouped
from accounts.emissions.factors import Book, Factor, FactorKind, shipped
from accounts.emissions.green import NOTHING, Certificate, cover
from accounts.emissions.rounding import to_mg
from accounts.enterprises.carriers import Carrier, Flow

BEGIN = datetime.date(2025, 1, 1)
MONTHS = [datetime.date(2025, month, 1) for month in range(1, 13)]
SITES = [uuid.UUID(int=number) for number in (1, 2, 3)]
REGIONS = dict(zip(SITES, ("330800", "440300", "370000"), strict=True))
ZHEJIANG = Fraction("0.4974") * 1000
RESIDUAL = Fraction("0.6096") * 1000


def meter(
    flow: Flow,
    number: int,
    site: uuid.UUID = SITES[0],
    carrier: Carrier = Carrier.ELECTRICITY,
    line: uuid.UUID | None = None,
    *,
    counts: bool = True,
) -> Metered:
    return Metered(uuid.UUID(int=1000 + number), site, line, carrier, flow, counts, BEGIN)


def computed(
    meters: list[Metered],
    amounts: list[Amount],
    certificates: list[Certificate] | None = None,
    fuels: list[Fuel] | None = None,
    book: Book | None = None,
) -> Computed:
    said = Fuels(fuels or [])
    found = cells(meters, amounts, said)
    covered = cover(found, certificates) if certificates else NOTHING
    return compute(found, line_uses(meters, amounts, said), [], covered, REGIONS, book or Book())


def of(meter: Metered, amount: int, month: datetime.date = MONTHS[0]) -> Amount:
    return Amount(meter.id, month, amount)


wh = st.integers(0, 10**12)


@given(bought=wh, generated=wh, exported=wh)
def test_solar_power_behind_the_boundary_meter_is_never_deducted(
    bought: int, generated: int, exported: int
) -> None:
    grid, solar, out = meter(Flow.IMPORT, 1), meter(Flow.GENERATION, 2), meter(Flow.EXPORT, 3)
    alone = computed([grid], [of(grid, bought)])
    together = computed([grid, solar, out], [of(grid, bought), of(solar, generated), of(out, exported)])
    assert together.total_mg == alone.total_mg == to_mg(bought * ZHEJIANG)


@given(bought=wh, own=wh, exported=wh)
def test_a_site_is_told_the_same_whether_its_boundary_or_its_use_is_metered(
    bought: int, own: int, exported: int
) -> None:
    grid, use = meter(Flow.IMPORT, 1), meter(Flow.USE, 4)
    solar, out = meter(Flow.GENERATION, 2), meter(Flow.EXPORT, 3)
    sun = [of(solar, own + exported), of(out, exported)]
    boundary = computed([grid, solar, out], [of(grid, bought), *sun])
    inside = computed([use, solar, out], [of(use, bought + own), *sun])
    both = computed([grid, use, solar, out], [of(grid, bought), of(use, bought + own), *sun])
    assert boundary.total_mg == inside.total_mg == both.total_mg
    assert not inside.excess


@given(used=wh, exported=wh)
def test_exported_power_lowers_nothing(used: int, exported: int) -> None:
    use, out = meter(Flow.USE, 1), meter(Flow.EXPORT, 3)
    assert computed([use, out], [of(use, used), of(out, exported)]).total_mg == to_mg(used * ZHEJIANG)


@st.composite
def years(draw: st.DrawFn) -> tuple[list[Metered], list[Amount], list[Certificate], list[Fuel]]:
    """A year of three sites: power with and without boundary meters, solar, gas, diesel, and certificates."""
    meters: list[Metered] = []
    for place, site in enumerate(SITES):
        line = uuid.UUID(int=100 + place)
        flow = draw(st.sampled_from([Flow.IMPORT, Flow.USE]))
        meters += [
            meter(flow, place * 10 + 1, site),
            meter(Flow.GENERATION, place * 10 + 2, site),
            meter(Flow.EXPORT, place * 10 + 3, site),
            meter(Flow.USE, place * 10 + 4, site, Carrier.GAS),
            meter(Flow.USE, place * 10 + 5, site, Carrier.OIL),
            meter(Flow.USE, place * 10 + 6, site, line=line, counts=False),
        ]
    amounts = [of(each, draw(st.integers(0, 10**9)), month) for each in meters for month in MONTHS]
    certificates = [
        Certificate(str(number), draw(st.integers(1, 5 * 10**9)), first, max(first, last))
        for number in range(draw(st.integers(0, 4)))
        for first, last in [(draw(st.sampled_from(MONTHS)), draw(st.sampled_from(MONTHS)))]
    ]
    fuels = [Fuel(each.id, BEGIN, "diesel") for each in meters if each.carrier is Carrier.OIL]
    return meters, amounts, certificates, fuels


@settings(max_examples=30, deadline=None)
@given(years(), st.integers(1, 11))
def test_however_a_year_is_cut_its_parts_are_the_whole(
    year: tuple[list[Metered], list[Amount], list[Certificate], list[Fuel]], cut: int
) -> None:
    """Sums over months and sites are exact fractions, and only a total is rounded: no cut loses or invents a mg."""
    meters, amounts, certificates, fuels = year
    said = Fuels(fuels)
    covered = cover(cells(meters, amounts, said), certificates)

    def part(chosen: list[Amount]) -> Computed:
        lines = line_uses(meters, chosen, said)
        return compute(cells(meters, chosen, said), lines, [], covered, REGIONS, Book())

    whole = part(amounts)
    exact = sum((each.mg for each in whole.parts), Fraction(0))
    before = part([each for each in amounts if each.month < MONTHS[cut]])
    after = part([each for each in amounts if each.month >= MONTHS[cut]])
    assert sum((each.mg for each in (*before.parts, *after.parts)), Fraction(0)) == exact
    by_site = [
        part([each for each in amounts if each.meter_id in {m.id for m in meters if m.site_id == site}])
        for site in SITES
    ]
    assert sum((each.mg for one in by_site for each in one.parts), Fraction(0)) == exact
    assert whole.total_mg == to_mg(exact)
    for key in (lambda p: p.month, lambda p: p.carrier, lambda p: p.site_id):
        figures = grouped(whole.parts, key)
        assert abs(sum(figures.values()) - whole.total_mg) <= (len(figures) + 1) / 2
    assert sum(whole.lines.values(), Fraction(0)) <= exact


@settings(max_examples=30, deadline=None)
@given(years())
def test_no_certificate_gives_more_than_it_has_nor_outside_its_months(
    year: tuple[list[Metered], list[Amount], list[Certificate], list[Fuel]],
) -> None:
    meters, amounts, certificates, fuels = year
    found = cells(meters, amounts, Fuels(fuels))
    covered = cover(found, certificates)
    power = {(c.site_id, c.month): c.bought for c in found if c.carrier is Carrier.ELECTRICITY}
    given_wh = sum(covered.share(*key) * bought for key, bought in power.items())
    assert given_wh == sum(covered.used.values())
    for each in certificates:
        open_wh = sum(b for (_, month), b in power.items() if each.first_month <= month <= each.last_month)
        assert 0 <= covered.used[each.number] <= min(each.energy_wh, open_wh)
    assert all(0 <= share <= 1 for share in covered.shares.values())
    for (_, month), share in covered.shares.items():
        assert share == 0 or any(c.first_month <= month <= c.last_month for c in certificates)


def test_the_rest_of_a_year_with_certificates_takes_the_grid_without_traded_power() -> None:
    grid = meter(Flow.IMPORT, 1)
    amounts = [of(grid, 1_000_000, month) for month in MONTHS[:2]]
    certificate = Certificate("GEC-1", 600_000, MONTHS[0], MONTHS[0])
    found = computed([grid], amounts, [certificate])
    assert found.total_mg == to_mg(1_400_000 * RESIDUAL)
    assert computed([grid], amounts).total_mg == to_mg(2_000_000 * ZHEJIANG)
    unused = Certificate("GEC-2", 600_000, MONTHS[5], MONTHS[5])
    assert computed([grid], amounts, [unused]).total_mg == to_mg(2_000_000 * ZHEJIANG)


def test_the_newest_factor_of_an_earlier_year_counts_until_the_years_own_is_known() -> None:
    grid = meter(Flow.IMPORT, 1)
    month = datetime.date(2026, 3, 1)
    found = computed([grid], [of(grid, 10_000, month)])
    assert [each.carried for each in found.factors.values()] == [True]
    correction = Factor(
        "efa_1",
        FactorKind.GRID,
        Fraction("0.45"),
        "0.45",
        "notice",
        "quoted",
        region="330000",
        first_day=datetime.date(2026, 1, 1),
        last_day=datetime.date(2026, 12, 31),
        corrects_at=datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC),
    )
    again = computed([grid], [of(grid, 10_000, month)], book=Book([correction]))
    assert again.total_mg == to_mg(10_000 * Fraction(450))
    assert [each.carried for each in again.factors.values()] == [False]
    assert Book([correction]).find(FactorKind.GRID, BEGIN, "330800") == Book().find(
        FactorKind.GRID, BEGIN, "330800"
    )


def test_what_has_no_factor_is_told_and_not_guessed() -> None:
    before = datetime.date(2018, 1, 1)
    grid, oil = meter(Flow.IMPORT, 1), meter(Flow.USE, 2, carrier=Carrier.OIL)
    steam, water = meter(Flow.IMPORT, 3, carrier=Carrier.STEAM), meter(Flow.USE, 4, carrier=Carrier.WATER)
    found = computed(
        [grid, oil, steam, water],
        [of(grid, 5, before), of(oil, 7), of(steam, 11), of(water, 13), of(grid, 0, MONTHS[1])],
    )
    assert {(gap.carrier, gap.amount, gap.reason) for gap in found.gaps} == {
        (Carrier.ELECTRICITY, 5, NO_FACTOR),
        (Carrier.OIL, 7, NO_FUEL),
        (Carrier.STEAM, 11, NO_FACTOR),
        (Carrier.WATER, 13, OUTSIDE),
    }
    assert found.total_mg == 0


def test_fuels_and_heat_are_the_products_of_their_parameters() -> None:
    known = {factor.id: factor for factor in shipped()}
    gas = Fraction("389.31") * Fraction("0.01532") * Fraction("0.99") * Fraction(44, 12)
    # 10,000 m³ are 10,000,000 L, and a tonne is 10⁹ mg.
    assert known["fuels_cn_gas/natural_gas"].mg_per_base * 10**7 == gas * 10**9
    diesel = Fraction("42.652") * Fraction("0.0202") * Fraction("0.98") * Fraction(44, 12)
    assert known["fuels_cn/diesel"].mg_per_base * 10**6 == diesel * 10**9
    coal = Fraction("22.867") * Fraction("0.02749") * Fraction("0.85") * Fraction(44, 12)
    assert known["fuels_cn/anthracite/industrial_boiler"].mg_per_base * 10**6 == coal * 10**9
    assert known["heat_cn/gbt_32150_2025"].mg_per_base * 10**6 == Fraction("0.11") * 10**9
    oil = meter(Flow.USE, 2, carrier=Carrier.OIL)
    found = computed([oil], [of(oil, 1_000_000)], fuels=[Fuel(oil.id, BEGIN, "diesel")])
    assert found.total_mg == to_mg(diesel * 10**9)


def test_a_month_that_begins_with_another_fuel_takes_the_last_word() -> None:
    oil = meter(Flow.USE, 2, carrier=Carrier.OIL)
    said = Fuels(
        [Fuel(oil.id, BEGIN, "petrol"), Fuel(oil.id, BEGIN, "diesel"), Fuel(oil.id, MONTHS[6], "fuel_oil")]
    )
    assert [said.of(oil, month) for month in (MONTHS[0], MONTHS[5], MONTHS[6])] == [
        "diesel",
        "diesel",
        "fuel_oil",
    ]
    assert said.of(oil, datetime.date(2024, 12, 1)) == ""
    assert next_month(datetime.date(2024, 12, 1)) == BEGIN


def test_lines_share_what_their_site_emitted() -> None:
    lines = [uuid.UUID(int=201), uuid.UUID(int=202)]
    grid, solar = meter(Flow.IMPORT, 1), meter(Flow.GENERATION, 2)
    subs = [meter(Flow.USE, 10 + n, line=line, counts=False) for n, line in enumerate(lines)]
    amounts = [of(grid, 900), of(solar, 100), of(subs[0], 500), of(subs[1], 250)]
    found = computed([grid, solar, *subs], amounts)
    whole = 900 * ZHEJIANG
    assert found.lines == {(lines[0], MONTHS[0]): whole / 2, (lines[1], MONTHS[0]): whole / 4}
    more = [of(grid, 900), of(solar, 100), of(subs[0], 1500), of(subs[1], 500)]
    assert sum(computed([grid, solar, *subs], more).lines.values()) == whole
