"""The measurement of the decision: what is true is told apart from what is judged, and a seed fixes everything."""

import json
import random
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from app.bench.lab import Trips
from app.bench.registry import BenchError, chosen
from app.bench.run import lab_for, run_rows
from app.bench.same_act.acts import Act, followed, real_acts
from app.bench.same_act.judges import ExactKey, SameAct, any_overlap, claims_alone
from app.bench.same_act.measure import cities, part_and_city
from app.bench.same_act.noise import LEVELS, MEDIUM, Report
from app.bench.same_act.report import run
from app.bench.same_act.truth import Counts, repeats
from app.cli import app
from dedup.same_act_rules import load_rules
from dedup.sightings import Sighting

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
RULES = load_rules()[-1]
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")


@pytest.fixture(scope="module")
def trips(tmp_path_factory):
    """A small file of bike trips: 240 people, 20 days."""
    folder = tmp_path_factory.mktemp("trips")
    chance = random.Random(3)
    lines = ["ID,BID,UID,ST,DU,DS"]
    for number in range(2_400):
        day, minute, long = chance.randint(1, 20), chance.randrange(24 * 60), chance.randint(3, 40)
        start = f"2016/8/{day} {minute // 60}:{minute % 60:02}"
        lines.append(
            f"{number},{number % 97},u{number % 240},{start},{long},{long * chance.randint(120, 200)}"
        )
    (folder / "bikes.csv").write_text("\n".join(lines))
    (folder / "other.csv").write_text("name,lat,lng\nx,1,2\n")
    return folder


def report(source, start, end, truth, *, number=None, arrives=0):
    order = None if number is None else ("trip.shared_bike", number)
    seen = Sighting(source, "trip.shared_bike", start, end, tolerance_s=120, amount=1_000, order=order)
    return Report("somebody", arrives, seen, truth)


def truths(*parts):
    return repeats([report("map", 0, 60, each) for each in parts])


def test_a_report_repeats_what_is_credited_and_nothing_else():
    whole, first, second = ((1, 0, 1_000),), ((1, 0, 400),), ((1, 400, 1_000),)
    assert truths(whole, whole) == [False, True]
    assert truths(first, second) == [False, False]
    assert truths(first, second, whole) == [False, False, True]
    assert truths(whole, first, second) == [False, True, True]
    assert truths(first, whole, second) == [False, True, False]
    assert truths(whole, ((2, 0, 1_000),)) == [False, False]


def test_a_merged_report_repeats_either_act():
    first, second = (1, 0, 1_000), (2, 0, 1_000)
    assert truths((first,), (first, second), (second,)) == [False, True, False]
    assert truths((first, second), (second,), (first,)) == [False, True, True]


def test_pieces_of_two_platforms_that_nearly_touch_are_two_parts():
    assert truths(((1, 0, 420),), ((1, 400, 1_000),)) == [False, False]
    assert truths(((1, 0, 500),), ((1, 400, 1_000),)) == [False, True]


def test_counts_give_precision_recall_and_f1():
    counts = Counts()
    for repeat, refused in [(True, True)] * 3 + [(False, True)] + [(True, False)] * 2 + [(False, False)] * 9:
        counts.count(repeat=repeat, refused=refused)
    assert (counts.precision, counts.recall) == (3 / 4, 3 / 5)
    assert counts.f1 == pytest.approx(2 * (3 / 4) * (3 / 5) / (3 / 4 + 3 / 5))
    assert (Counts().precision, Counts().recall, Counts().f1) == (1, 1, 1)


def test_the_baselines_are_what_they_are_called():
    truth = ((1, 0, 1_000),)
    numbered = [report("map", 0, 600, truth, number="7"), report("pay", 60, 660, truth, number="7")]
    exact = [report("map", 0, 600, truth), report("pay", 0, 600, truth)]
    in_a_row = [report("map", 0, 600, truth), report("map", 590, 1_200, ((2, 0, 1_000),))]
    for judge, pair, refused in (
        (ExactKey(), numbered, True),
        (ExactKey(), exact, True),
        (ExactKey(), in_a_row, False),
        (any_overlap(), exact, True),
        (any_overlap(), in_a_row, True),
        (claims_alone(), numbered, True),
        (claims_alone(), in_a_row, False),
    ):
        assert [judge.refuses(one) for one in pair] == [False, refused]


def test_what_a_report_truly_tells_is_not_what_it_is_judged_by(trips):
    """With the truth scrambled every judge answers as before."""
    by_person = real_acts(trips)
    for _, reports in cities(by_person, "reporting", MEDIUM, RULES, 5):
        blind = [
            Report(one.person, one.arrives_s, one.sighting, ((number, 0, 1_000),))
            for number, one in enumerate(reports)
        ]
        for judge in (lambda: SameAct(RULES), ExactKey, any_overlap, claims_alone):
            seeing, unseeing = judge(), judge()
            assert [seeing.refuses(one) for one in reports] == [unseeing.refuses(one) for one in blind]


def test_a_sighting_carries_no_key_of_the_true_act(trips):
    """Only what platforms tell: reports of one act without numbers share nothing but times and distance."""
    assert set(Sighting.__slots__) == {
        *("source", "scene", "start_s", "end_s", "tolerance_s"),
        *("amount", "order", "start_region", "end_region"),
    }
    for noise in LEVELS:
        reports = [one for _, some in cities(real_acts(trips), "reporting", noise, RULES, 5) for one in some]
        share = sum(one.sighting.order is None for one in reports) / len(reports)
        assert share == pytest.approx(noise.numberless + noise.cut, abs=0.06)


def test_nobody_is_on_both_parts_and_a_seed_moves_nobody(trips):
    by_person = real_acts(trips)
    people = {"choosing": set(), "reporting": set()}
    for seed in (1, 2):
        for part, found in people.items():
            found |= {one.person for _, some in cities(by_person, part, MEDIUM, RULES, seed) for one in some}
    assert not people["choosing"] & people["reporting"]
    assert people["choosing"] | people["reporting"] == set(by_person)
    assert all(part_and_city(person)[0] == "choosing" for person in people["choosing"])


def test_the_noise_is_as_documented(trips):
    by_person = real_acts(trips)
    acts = reports = shared = cut = merged = 0
    for seed in range(4):
        for count, some in cities(by_person, "choosing", MEDIUM, RULES, seed):
            acts += count
            reports += len(some)
            sources: dict[int, set[str]] = {}
            for one in some:
                for act, _, _ in one.truth:
                    sources.setdefault(act, set()).add(one.sighting.source)
                assert one.sighting.start_s % 60 == one.sighting.end_s % 60 == 0
            shared += sum(len(each) > 1 for each in sources.values())
            cut += sum(one.cut for one in some)
            merged += sum(one.merged for one in some)
    assert shared / acts == pytest.approx(0.30, abs=0.03)
    assert cut / 2 / reports == pytest.approx(0.03, abs=0.01)
    assert merged / reports == pytest.approx(0.02, abs=0.01)


def test_acts_in_a_row_follow_at_minus_two_to_five_minutes():
    acts = [Act(n, "p", "trip.metro", n * 100_000, n * 100_000 + 900, 5_000, str(n)) for n in range(1, 400)]
    found = followed(acts, {"trip.metro": acts[:5]}, 0.25, random.Random(1))
    after = {one.key: one for one in acts}
    gaps = [one.start_s - after[one.after].end_s for one in found if one.after is not None]
    assert min(gaps) >= -120
    assert max(gaps) <= 300
    assert any(gap < 0 for gap in gaps)
    assert len(gaps) / len(acts) == pytest.approx(0.25, abs=0.06)
    assert len({one.number for one in found}) == len(found)


def test_a_seed_fixes_every_figure(trips):
    first, again, other = (run(trips, seed, quick=True).as_dict() for seed in (4, 4, 5))
    assert first == again
    assert first != other
    assert first["real_acts"] == {"trip.shared_bike": 2_400}


def test_a_folder_without_trips_is_an_error(tmp_path):
    (tmp_path / "other.csv").write_text("name,lat,lng\nx,1,2\n")
    with pytest.raises(BenchError, match="no file of trips"):
        real_acts(tmp_path)


def test_the_command_prints_json_and_writes_its_rows(trips, tmp_path):
    out = tmp_path / "bench.json"
    done = CliRunner().invoke(
        app, ["bench-dedup", "--data", str(trips), "--seed", "4", "--out", str(out), "--json"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert set(told["levels"]) == {"low", "medium", "high"}
    names = ["dedup_precision", "dedup_recall", "dedup_f1_gain"]
    assert [row["name"] for row in told["figures"]] == names
    assert json.loads(out.read_text()) == told["figures"]


async def test_without_data_the_rows_are_left_out_and_the_others_go_on(tmp_path):
    console = Console(quiet=True)
    rows = chosen("dedup_precision,dedup_recall")
    with lab_for(rows, console, quick=True, trips=Trips(tmp_path / "away", 1)) as lab:
        assert await run_rows(lab, rows, tmp_path / "bench.json") == []


@needs_data
def test_the_floors_hold_on_real_trips():
    results = run(DATA, 11, quick=True)
    medium = results.counts("medium", "decision")
    assert medium.precision >= 0.995
    assert medium.recall >= 0.98
    assert results.counts("high", "decision").f1 - results.better_baseline("high")[1] >= 0.05
