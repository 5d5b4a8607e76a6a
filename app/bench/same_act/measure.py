"""Runs the judges over the platforms' views of one part of the people, city by city."""

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from app.bench.same_act.acts import Act, followed
from app.bench.same_act.judges import ExactKey, Judge, SameAct, any_overlap, claims_alone
from app.bench.same_act.noise import City, Noise, Report, merging
from app.bench.same_act.truth import Counts, repeats
from dedup.same_act_rules import SameActRules

CITIES: Final = 4
Part = Literal["choosing", "reporting"]
JUDGES: Final = ("decision", "decision_unmeasured_clocks", "claims_alone", "exact_key", "any_overlap")
BASELINES: Final = ("exact_key", "any_overlap")


@dataclass(slots=True)
class Found:
    """What one noise level gave: counts by judge and scene, `all` for all scenes."""

    acts: int = 0
    reports: int = 0
    repeats: int = 0
    pieces: int = 0
    chains: int = 0
    by_judge: dict[str, dict[str, Counts]] = field(default_factory=lambda: {name: {} for name in JUDGES})

    def count(self, judge: str, scene: str, *, repeat: bool, refused: bool) -> None:
        """Count a report under its scene and under all."""
        for name in (scene, "all"):
            self.by_judge[judge].setdefault(name, Counts()).count(repeat=repeat, refused=refused)


def part_and_city(person: str) -> tuple[Part, int]:
    """Which part of the data a person is in, and which city: by a hash of who it is, so that a seed changes neither."""
    digest = hashlib.blake2b(person.encode(), digest_size=4).digest()
    return "choosing" if digest[0] & 1 else "reporting", digest[1] % CITIES


def cities(
    by_person: Mapping[str, Sequence[Act]], part: Part, noise: Noise, rules: SameActRules, seed: int
) -> Iterator[tuple[int, list[Report]]]:
    """Number of true acts and the reports, in order of arrival, of each city of a part."""
    people: list[list[str]] = [[] for _ in range(CITIES)]
    pools: dict[str, list[Act]] = {}
    for person in sorted(by_person):
        its_part, city = part_and_city(person)
        if its_part == part:
            people[city].append(person)
            for act in by_person[person]:
                pools.setdefault(act.scene, []).append(act)
    for number, persons in enumerate(people):
        chance = random.Random(f"{seed} {noise.name} {part} {number}")
        acts = [followed(by_person[person], pools, noise.followed, chance) for person in persons]
        every = [act for each in acts for act in each]
        reporters = City(noise, merging(noise, every), rules, chance)
        reports = [report for each in acts for report in reporters.reports(each)]
        reports.sort(key=lambda report: (report.arrives_s, report.person, report.sighting.start_s))
        yield len(every), reports


def measure(
    by_person: Mapping[str, Sequence[Act]],
    part: Part,
    noise: Noise,
    rules: SameActRules,
    seeds: Iterable[int],
) -> Found:
    """Judge every report of a part at one noise level, once for each seed."""
    found = Found()
    for seed in seeds:
        for acts, reports in cities(by_person, part, noise, rules, seed):
            found.acts += acts
            found.reports += len(reports)
            _judge(reports, rules, found)
    return found


def _judge(reports: Sequence[Report], rules: SameActRules, found: Found) -> None:
    truth = repeats(reports)
    found.repeats += sum(truth)
    decision = SameAct(rules)
    judges: dict[str, Judge] = {
        "decision": decision,
        "decision_unmeasured_clocks": SameAct(rules, measuring=False),
        "claims_alone": claims_alone(),
        "exact_key": ExactKey(),
        "any_overlap": any_overlap(),
    }
    for report, repeat in zip(reports, truth, strict=True):
        for name, judge in judges.items():
            found.count(name, report.scene, repeat=repeat, refused=judge.refuses(report))
    found.pieces += decision.pieces
    found.chains += decision.chains
