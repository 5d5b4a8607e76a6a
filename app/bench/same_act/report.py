"""The whole measurement, and its tables."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from rich.table import Table

from app.bench.same_act.acts import Act, real_acts
from app.bench.same_act.measure import BASELINES, CITIES, JUDGES, Found, measure
from app.bench.same_act.noise import LEVELS
from app.bench.same_act.truth import Counts
from dedup.same_act_rules import load_rules

_DRAWS: Final = 3
_APART: Final = 1_000_003
"""Between the seeds of draws, so that neighbouring seeds share none."""
Measure = Literal["precision", "recall", "f1"]


@dataclass(frozen=True)
class Results:
    """What was found at each noise level on the reporting part."""

    seed: int
    draws: int
    acts_by_scene: dict[str, int]
    levels: dict[str, Found]

    def counts(self, level: str, judge: str, scene: str = "all") -> Counts:
        """Of one judge; empty for a scene that the data have not."""
        return self.levels[level].by_judge[judge].get(scene, Counts())

    def better_baseline(self, level: str) -> tuple[str, float]:
        """Name and F1 of the baseline that does better."""
        return max(((name, self.counts(level, name).f1) for name in BASELINES), key=lambda each: each[1])

    def by_scene(self, level: str, measure_: Measure) -> str:
        """One figure of the decision, by scene."""
        scenes = sorted(self.levels[level].by_judge["decision"].keys() - {"all"})
        told = (f"{scene} {getattr(self.counts(level, 'decision', scene), measure_):.4f}" for scene in scenes)
        return ", ".join(told)

    @property
    def told(self) -> str:
        """How it was measured."""
        found = self.levels["medium"]
        return (
            f"{found.reports:,} reports by three platforms in {CITIES} cities of {found.acts:,} acts, "
            f"{self.draws} draws, seed {self.seed}, people that no parameter was chosen on"
        )

    def as_dict(self) -> dict[str, Any]:
        """Everything, for `--json`."""
        return {
            "seed": self.seed,
            "draws": self.draws,
            "real_acts": self.acts_by_scene,
            "levels": {name: _level(found) for name, found in self.levels.items()},
        }

    def table(self) -> Table:
        """Every judge at every level, by scene."""
        shown = Table(title="One act or two", caption=self.told)
        for heading in ("noise", "judge", "scene", "precision", "recall", "F1", "wrongly refused", "missed"):
            shown.add_column(heading, justify="left" if heading in ("noise", "judge", "scene") else "right")
        for level, found in self.levels.items():
            for judge in JUDGES:
                for scene in sorted(found.by_judge[judge], key=lambda name: (name != "all", name)):
                    counts = self.counts(level, judge, scene)
                    rates = (f"{rate:.4f}" for rate in (counts.precision, counts.recall, counts.f1))
                    shown.add_row(level, judge, scene, *rates, f"{counts.false:,}", f"{counts.missed:,}")
            shown.add_section()
        return shown


def _level(found: Found) -> dict[str, Any]:
    return {
        "acts": found.acts,
        "reports": found.reports,
        "repeats": found.repeats,
        "pieces": found.pieces,
        "chains": found.chains,
        "judges": {
            judge: {
                scene: {
                    "precision": round(counts.precision, 5),
                    "recall": round(counts.recall, 5),
                    "f1": round(counts.f1, 5),
                    "hit": counts.hit,
                    "false": counts.false,
                    "missed": counts.missed,
                    "passed": counts.passed,
                }
                for scene, counts in sorted(by_scene.items())
            }
            for judge, by_scene in found.by_judge.items()
        },
    }


def run(folder: Path, seed: int, *, quick: bool = False) -> Results:
    """Measure on the reporting part of the trips of a folder; `BenchError` where it has none."""
    by_person = real_acts(folder)
    rules = load_rules()[-1]
    draws = 1 if quick else _DRAWS
    seeds = [seed + _APART * number for number in range(draws)]
    levels = {noise.name: measure(by_person, "reporting", noise, rules, seeds) for noise in LEVELS}
    return Results(seed, draws, _by_scene(by_person), levels)


def _by_scene(by_person: dict[str, list[Act]]) -> dict[str, int]:
    return dict(sorted(Counter(act.scene for acts in by_person.values() for act in acts).items()))
