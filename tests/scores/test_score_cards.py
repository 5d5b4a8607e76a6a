"""Cards and the pure score: it explains itself, more never lowers it, what is taken back is exactly its part."""

import datetime as dt
import random
import re
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scores.made import AS_OF, conducts, deeds, some_card

from accounts.scores.cards import BUILT_IN, Card, Cards, card_of, load_cards, read_cards, rebuild
from accounts.scores.compiled import compiled
from accounts.scores.engine import first_month, measure, points_of, score
from accounts.scores.model import Conduct, Deed, Facts, Score
from accounts.scores.text import READINGS, UNFAIR, CardText
from methodologies import load_catalogue
from methodologies.errors import PackError

SHIPPED = {card.name: card for card in load_cards()}
PERSONS = [SHIPPED["resident"], SHIPPED["wendeng"]]
cards = st.one_of(
    st.sampled_from(PERSONS), st.integers(0, 10**6).map(lambda seed: some_card(random.Random(seed)))
)
facts = st.builds(
    Facts,
    deeds=st.lists(deeds, max_size=30).map(tuple),
    conduct=st.lists(conducts, max_size=4, unique_by=lambda each: each.id).map(tuple),
)


def of_points(found: Score) -> int:
    return -1 if found.points is None else found.points


@given(cards, facts)
def test_the_reasons_add_up_to_the_score(card: Card, known: Facts) -> None:
    found = score(card, known, AS_OF)
    assert found.enough is (found.points is not None) is (found.tier is not None)
    if found.points is not None:
        assert found.points == sum(reason.points for reason in found.reasons) >= 0
        assert {reason.dimension for reason in found.reasons} >= {each.name for each in card.text.dimensions}
    assert (found.card, found.version, found.content_hash) == (card.name, card.version, card.content_hash)
    assert found.as_of == AS_OF == found.basis.last_day


@given(cards, facts, st.lists(deeds, min_size=1, max_size=6))
def test_more_green_acts_never_lower_it(card: Card, known: Facts, more: list[Deed]) -> None:
    before, after = (
        score(card, each, AS_OF) for each in (known, replace(known, deeds=(*known.deeds, *more)))
    )
    assert of_points(after) >= of_points(before)
    tiers = [None, *(row.tier for row in card.text.tiers.rows)]
    assert tiers.index(after.tier) >= tiers.index(before.tier)


@given(cards, facts, deeds, st.integers(1, 2))
def test_better_evidence_never_lowers_it(card: Card, known: Facts, deed: Deed, better: int) -> None:
    weak = replace(deed, grade=0)
    before, after = (
        score(card, replace(known, deeds=(*known.deeds, each)), AS_OF)
        for each in (weak, replace(weak, grade=better))
    )
    assert of_points(after) >= of_points(before)


@given(cards, facts, st.lists(deeds, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_a_reversed_act_takes_back_exactly_its_part(
    card: Card, known: Facts, more: list[Deed], draw: random.Random
) -> None:
    """Acts that came and were reversed leave the very score there was, in whatever order they went."""
    have = [*known.deeds, *more]
    for each in draw.sample(more, len(more)):
        have.remove(each)
    draw.shuffle(have)
    assert score(card, replace(known, deeds=tuple(have)), AS_OF) == score(card, known, AS_OF)


@given(cards, facts)
def test_an_act_of_two_rows_counts_as_of_one(card: Card, known: Facts) -> None:
    halves = [
        part
        for deed in (replace(deed, acts=deed.acts + 1) for deed in known.deeds)
        for part in (
            replace(deed, acts=deed.acts - deed.acts // 2, co2e_mg=deed.co2e_mg - deed.co2e_mg // 2),
            replace(deed, acts=deed.acts // 2, co2e_mg=deed.co2e_mg // 2),
        )
    ]
    whole = tuple(replace(deed, acts=deed.acts + 1) for deed in known.deeds)
    assert score(card, Facts(tuple(halves), known.conduct), AS_OF) == score(
        card, Facts(whole, known.conduct), AS_OF
    )


@given(cards, facts)
def test_conduct_is_a_dated_reason_of_its_own(card: Card, known: Facts) -> None:
    found, clean = score(card, known, AS_OF), score(card, replace(known, conduct=()), AS_OF)
    assert of_points(found) <= of_points(clean)
    for reason in found.reasons:
        assert (reason.on is not None) == (reason.dimension == "conduct")
        assert reason.points >= 0 or reason.dimension == "conduct"
    assert [r for r in found.reasons if r.dimension not in ("conduct", "floor")] == list(clean.reasons)


@given(cards, facts)
def test_what_would_raise_it_raises_it_as_told(card: Card, known: Facts) -> None:
    found = score(card, known, AS_OF)
    told = [each.points for each in found.raises]
    assert told == sorted(told, reverse=True)
    if not found.enough:
        assert found.raises
        return
    for each in found.raises:
        assert each.points > 0
        if each.dimension == "conduct":
            continue
        dimension = next(one for one in card.text.dimensions if one.name == each.dimension)
        if dimension.each is None and not dimension.scenes and dimension.weights.platform == 100:
            step = Deed(AS_OF.replace(day=1), "trip.ferry", 1, 0, 0)
            done = replace(step, **{"acts": 1, dimension.of: dimension.step.units})
            after = score(card, replace(known, deeds=(*known.deeds, done)), AS_OF)
            assert of_points(after) >= of_points(found) + each.points


@given(cards, facts, facts)
def test_what_a_card_does_not_declare_cannot_matter(card: Card, known: Facts, other: Facts) -> None:
    """By construction: whatever stands in fields that are not declared, the score is the same."""
    reads = set(card.text.reads)
    changed = tuple(
        replace(
            deed,
            scene=deed.scene if "scene" in reads else "home.address",
            grade=deed.grade if "evidence" in reads else 2,
            co2e_mg=deed.co2e_mg if "co2e_mg" in reads else 7,
        )
        for deed in known.deeds
    )
    conduct = known.conduct if "conduct" in reads else other.conduct
    assert score(card, Facts(changed, conduct, "dark_green"), AS_OF) == score(card, known, AS_OF)


def test_nothing_of_a_person_is_there_to_be_read() -> None:
    assert {field.name for each in (Facts, Deed, Conduct) for field in fields(each)} == {
        *("deeds", "conduct", "label", "month", "scene", "grade", "acts", "co2e_mg"),
        *("id", "kind", "happened_on"),
    }
    assert not UNFAIR & READINGS
    for card in SHIPPED.values():
        sql = compiled(card)
        read = set(re.findall(r"(?:FROM|JOIN)\s+(\w+)", sql)) - {"unnest"}
        steps = set(re.findall(r"(\w+) AS \(", sql))
        assert read - steps <= {"monthly_deeds", "conduct_records", "holders", "balances"}
        # Of a holder's own row only the id, the kind and the region whose programme it is; that it is not closed.
        assert set(re.findall(r"\bh\.(\w+)", sql)) <= {"id", "kind", "region"}
        assert set(re.findall(r"\bb\.(\w+)", sql)) <= {"holder_id", "status"}


def card_with(**over: Any) -> CardText:
    data = yaml.safe_load((BUILT_IN / "resident.yaml").read_text(encoding="utf-8"))
    return CardText.model_validate(data | over)


DECLARED = ["acts", "co2e_mg", "month", "scene", "evidence", "conduct"]


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ({"reads": [*DECLARED, "age"]}, "a card may not read age"),
        ({"reads": [*DECLARED, "sex"]}, "a card may not read sex"),
        ({"reads": [*DECLARED, "home"]}, "a card may not read home"),
        ({"reads": [*DECLARED, "steps_at_night"]}, "a card reads only"),
        ({"reads": DECLARED[:-1]}, "it reads conduct, which reads does not declare"),
        ({"reads": [each for each in DECLARED if each != "evidence"]}, "it reads evidence, which"),
        ({"reads": [*DECLARED, "label"]}, "it declares label and does not use it"),
        ({"tiers": {"rows": [{"tier": "a", "title": {"zh": "x", "en": "x"}, "from": 5}]}}, "begin at 0"),
        ({"tiers": {"rows": [{"tier": "a", "title": {"zh": "x", "en": "x"}}]}}, "either from or over"),
        ({"subject": "organisation"}, "the label alone"),
        ({"age_bonus": 3}, "not known"),
    ],
)
def test_a_card_that_is_not_fair_or_not_sound_is_refused_at_load(
    tmp_path: Path, over: dict[str, Any], told: str
) -> None:
    data = yaml.safe_load((BUILT_IN / "resident.yaml").read_text(encoding="utf-8")) | over
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    with pytest.raises(PackError) as refused:
        list(read_cards(tmp_path))
    assert told in refused.value.message_en
    assert refused.value.message_zh


def test_better_evidence_may_not_weigh_less(tmp_path: Path) -> None:
    data = yaml.safe_load((BUILT_IN / "resident.yaml").read_text(encoding="utf-8"))
    data["dimensions"][0]["weights"]["corroborated"] = 99
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    with pytest.raises(PackError, match="must not weigh less") as refused:
        list(read_cards(tmp_path))
    assert "weights" in refused.value.pointer


def test_versions_lie_over_common_keys_and_none_stands_twice(tmp_path: Path) -> None:
    data = yaml.safe_load((BUILT_IN / "wendeng.yaml").read_text(encoding="utf-8"))
    del data["version"]
    data["versions"] = [{"version": "1"}, {"version": "2", "look_back_months": 6}]
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    found = Cards(read_cards(tmp_path))
    assert [(card.version, card.text.look_back_months) for card in found] == [("1", 3), ("2", 6)]
    with pytest.raises(PackError, match="stands twice"):
        Cards([*found, *found])


def test_a_stored_text_gives_the_same_card_again() -> None:
    for card in [*SHIPPED.values(), *(some_card(random.Random(seed)) for seed in range(20))]:
        assert rebuild(card.content) == card == card_of(card.text)


def test_scenes_of_shipped_cards_are_known() -> None:
    known = load_catalogue(demonstration=True).scenes()
    assert {scene for card in SHIPPED.values() for scene in card.text.scenes} <= known.keys()


def saved(*kg: str) -> Facts:
    """Acts that saved so many kilograms, in the quarter."""
    return Facts(tuple(deed(amount, month) for amount, month in zip(kg, (8, 9, 10), strict=False)))


def deed(kg: str, month: int) -> Deed:
    whole, _, part = kg.partition(".")
    return Deed(
        dt.date(2026, month, 1), "energy.water", 1, 1, int(whole) * 1_000_000 + int((part + "000000")[:6])
    )


@pytest.mark.parametrize(
    ("kg", "tier"),
    [
        (("104.7",), "deep_green"),  # 孙洲
        (("50.2", "40", "14.5"), "deep_green"),
        (("117",), "deep_green"),  # 于子林
        (("0",), "light_green"),
        (("50",), "light_green"),
        (("50.000001",), "medium_green"),
        (("50.01",), "medium_green"),
        (("100",), "medium_green"),
        (("100.000001",), "deep_green"),
    ],
)
def test_the_published_tiers_of_wendeng(kg: Iterable[str], tier: str) -> None:
    assert score(SHIPPED["wendeng"], saved(*kg), AS_OF).tier == tier


def test_wendeng_counts_its_seven_items_of_a_quarter_alone() -> None:
    card = SHIPPED["wendeng"]
    old = replace(deed("200", 8), month=dt.date(2026, 7, 1))
    other = replace(deed("200", 8), scene="trip.metro")
    assert not score(card, Facts((old, other)), AS_OF).enough
    assert score(card, Facts((old, other, deed("1", 8))), AS_OF).points == 1


@pytest.mark.parametrize(
    ("label", "points", "tier"),
    [
        ("red", 0, "red"),
        ("yellow", 400, "yellow"),
        ("light_green", 700, "light_green"),
        ("dark_green", 1000, "dark_green"),
        ("unlabelled", None, None),
        (None, None, None),
    ],
)
def test_the_card_of_enterprises_takes_the_label(
    label: str | None, points: int | None, tier: str | None
) -> None:
    found = score(SHIPPED["enterprise"], Facts(label=label), AS_OF)
    assert (found.points, found.tier) == (points, tier)
    assert [each.points for each in found.raises][:1] == {
        "red": [400],
        "yellow": [300],
        "light_green": [300],
    }.get(label or "", [] if points is not None else [0])


def test_a_running_month_counts_beside_the_whole_ones() -> None:
    text = SHIPPED["resident"].text
    assert first_month(text, dt.date(2026, 10, 31)) == dt.date(2025, 11, 1)
    assert first_month(text, dt.date(2026, 11, 1)) == dt.date(2025, 11, 1)
    assert first_month(text, dt.date(2026, 11, 30)) == dt.date(2025, 12, 1)


def test_everything_at_its_cap_is_the_whole_score() -> None:
    card = SHIPPED["resident"]
    rich = Facts(
        tuple(
            Deed(dt.date(2026, month, 1), scene, 2, 50, 50_000_000)
            for month in range(1, 11)
            for scene in ("a.a", "b.b", "c.c", "d.d", "e.e", "f.f", "g.g", "h.h", "i.i", "j.j")
        )
    )
    found = score(card, rich, AS_OF)
    assert (found.points, found.tier) == (400 + 200 + 250 + 100, "forest")
    assert [each.dimension for each in found.raises] == ["persistence"]
    measured = measure(card, rich, AS_OF)
    assert points_of(card.text.dimensions[2], measured.totals[2]) == 250
