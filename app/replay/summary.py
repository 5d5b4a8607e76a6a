"""What happened in a replay: counted while the answers come in, shown as a table or as one JSON object."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from app.replay.readers.base import BadRow, Trip

OUTCOMES = ("credited", "capped", "duplicate", "rejected", "pending")
_CHINESE = {"credited": "入账", "capped": "封顶", "duplicate": "重复", "rejected": "拒绝", "pending": "待定"}
_MG_PER_G = 1000
_MG_PER_KG = 1_000_000
_FIRST_LINES = 5


@dataclass(slots=True)
class BadRows:
    """Rows of one reason: how many, and the first few line numbers."""

    count: int = 0
    lines: list[int] = field(default_factory=list)


@dataclass(slots=True)
class SceneCount:
    """Answers of one scene; `replayed` are apart from the new ones."""

    outcomes: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    co2e_mg: int = 0
    points: int = 0


def kilograms(mg: int) -> str:
    """Return mg as a decimal string of kg, exactly."""
    sign = "-" if mg < 0 else ""
    kg, rest = divmod(abs(mg), _MG_PER_KG)
    return f"{sign}{kg}.{rest:06d}".rstrip("0").rstrip(".")


@dataclass(slots=True)
class Summary:
    """Counts of one run.

    Reports that the service had answered before are `replayed` and never part of `outcomes`, `co2e_mg` and
    `points`: those are what this run added. A report whose first answer was lost with a killed service is
    counted as replayed too, though it is this run's.
    """

    rows: int = 0
    bad: dict[str, BadRows] = field(default_factory=dict)
    holders_onboarded: int = 0
    holders_created: int = 0
    holders_refused: Counter[str] = field(default_factory=Counter)
    reported: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)
    replayed: Counter[str] = field(default_factory=Counter)
    scenes: dict[str, SceneCount] = field(default_factory=dict)
    co2e_mg: int = 0
    points: int = 0
    seconds: float = 0.0
    shift_weeks: int = 0
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)
    look: dict[str, str] = field(default_factory=dict)
    shoppers: list[str] = field(default_factory=list)
    """Holders of the demonstration with points to spend."""

    def take_row(self, row: Trip | BadRow) -> None:
        """Count what a reader yielded."""
        self.rows += len(row.lines)
        if isinstance(row, BadRow):
            bad = self.bad.setdefault(row.reason, BadRows())
            bad.count += len(row.lines)
            # A reader may yield lines in another order than the file's: keep the smallest.
            bad.lines = sorted((*bad.lines, *row.lines))[:_FIRST_LINES]

    def take_holders(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Count the answers of an onboarding."""
        for item in items:
            if error := item.get("error"):
                self.holders_refused[
                    error if isinstance(error, str) else str(error.get("code", "error"))
                ] += 1
            else:
                self.holders_onboarded += 1
                self.holders_created += bool(item.get("created"))

    def take(self, reports: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]]) -> None:
        """Count the outcomes of a batch, in the order of its reports."""
        for report, item in zip(reports, items, strict=True):
            self.reported += 1
            scene = self.scenes.setdefault(report["scene"], SceneCount())
            outcome = item["outcome"]
            if item.get("replayed"):
                self.replayed[outcome] += 1
                scene.replayed += 1
                continue
            self.outcomes[outcome] += 1
            scene.outcomes[outcome] += 1
            if outcome == "rejected":
                self.rejected[item.get("reason") or "unknown"] += 1
            elif outcome == "duplicate":
                self.duplicates[item.get("reason") or "unknown"] += 1
            mg = int(Decimal(item.get("co2e_g") or "0") * _MG_PER_G)
            points = int(item.get("points") or 0)
            self.co2e_mg += mg
            self.points += points
            scene.co2e_mg += mg
            scene.points += points

    @property
    def bad_rows(self) -> int:
        """Rows that became no report."""
        return sum(each.count for each in self.bad.values())

    @property
    def replayed_total(self) -> int:
        """Reports that the service had answered before."""
        return self.replayed.total()

    @property
    def activities_per_s(self) -> int:
        """Answered reports per second, onboarding included."""
        return round(self.reported / self.seconds) if self.seconds > 0 else 0

    def as_dict(self) -> dict[str, Any]:
        """Return everything as one JSON object; CO2e as a decimal string in kg."""
        return {
            "rows": self.rows,
            "bad_rows": self.bad_rows,
            "bad_rows_by_reason": {
                reason: {"count": bad.count, "first_lines": bad.lines}
                for reason, bad in sorted(self.bad.items())
            },
            "holders": {
                "onboarded": self.holders_onboarded,
                "created": self.holders_created,
                "refused": dict(sorted(self.holders_refused.items())),
            },
            "reported": self.reported,
            "outcomes": {outcome: self.outcomes[outcome] for outcome in OUTCOMES},
            "rejected_by_reason": dict(self.rejected.most_common()),
            "duplicate_by_reason": dict(self.duplicates.most_common()),
            "replayed": self.replayed_total,
            "replayed_outcomes": dict(sorted(self.replayed.items())),
            "co2e_kg": kilograms(self.co2e_mg),
            "points": self.points,
            "seconds": round(self.seconds, 3),
            "activities_per_s": self.activities_per_s,
            "shift_weeks": self.shift_weeks,
            "interrupted": self.interrupted,
            "scenes": {
                name: {
                    **{outcome: scene.outcomes[outcome] for outcome in OUTCOMES},
                    "replayed": scene.replayed,
                    "co2e_kg": kilograms(scene.co2e_mg),
                    "points": scene.points,
                }
                for name, scene in sorted(self.scenes.items())
            },
            "notes": self.notes,
            "look": self.look,
        }

    def render(self, console: Console) -> None:
        """Print it for a person."""
        console.print(self._totals())
        if self.scenes:
            console.print(self._by_scene())
        if self.interrupted:
            console.print(
                "[yellow]Interrupted 已中断:[/] run it again to go on; what was reported counts once."
            )
        for note in self.notes:
            console.print(f"[dim]Note 说明:[/] {note}")

    def _totals(self) -> Table:
        table = Table(
            title="What happened 结果", title_justify="left", show_header=False, box=None, padding=(0, 2)
        )
        table.add_column(justify="left")
        table.add_column(justify="right")
        table.add_column(style="dim", overflow="fold")
        if self.rows:
            table.add_row("Rows read 读入行", f"{self.rows:,}", "")
            for reason, bad in sorted(self.bad.items(), key=lambda each: -each[1].count):
                lines = ", ".join(map(str, bad.lines)) + (", …" if bad.count > len(bad.lines) else "")
                table.add_row("  not reported 未上报", f"{bad.count:,}", f"{reason} (line {lines})")
        if self.holders_onboarded or self.holders_refused:
            # A platform is not told who is new.
            new = f"{self.holders_created:,} new 新" if self.holders_created else ""
            table.add_row("Holders onboarded 主体", f"{self.holders_onboarded:,}", new)
            for reason, count in self.holders_refused.most_common():
                table.add_row("  refused 未登记", f"{count:,}", reason)
        table.add_row("Activities reported 上报", f"{self.reported:,}", "")
        for outcome in OUTCOMES:
            if count := self.outcomes[outcome]:
                table.add_row(f"  {outcome} {_CHINESE[outcome]}", f"{count:,}", self._reasons(outcome))
        if self.replayed:
            told = ", ".join(f"{outcome} {count:,}" for outcome, count in self.replayed.most_common())
            table.add_row("  answered before 已报过", f"{self.replayed_total:,}", told)
        table.add_row("Reduction 减排量", f"{kilograms(self.co2e_mg)} kg", "CO2e, added by this run")
        table.add_row("Points 积分", f"{self.points:,}", "")
        table.add_row("Time 用时", f"{self.seconds:.1f} s", f"{self.activities_per_s:,} activities/s")
        return table

    def _reasons(self, outcome: str) -> str:
        reasons = {"rejected": self.rejected, "duplicate": self.duplicates}.get(outcome, Counter())
        return ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())

    def _by_scene(self) -> Table:
        table = Table(title="By scene 分场景", title_justify="left", box=None, padding=(0, 2))
        table.add_column("Scene 场景")
        shown = [name for name in OUTCOMES if self.outcomes[name]]
        for heading in (
            *(f"{name} {_CHINESE[name]}" for name in shown),
            "before 已报",
            "kg CO2e",
            "points 积分",
        ):
            table.add_column(heading, justify="right")
        for name, scene in sorted(self.scenes.items()):
            counts = [f"{scene.outcomes[outcome]:,}" for outcome in shown]
            table.add_row(name, *counts, f"{scene.replayed:,}", kilograms(scene.co2e_mg), f"{scene.points:,}")
        return table
