"""What is wrong with an installed pack is told by name and place, and takes nothing else with it.

The packs are really on the path, with the metadata that an installer writes.
"""

import datetime as dt
import importlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from methodologies import Catalogue, PackError, installed_plugins, load_catalogue, rebuild
from methodologies.check import main
from methodologies.plugins import GROUP

SAMPLE = Path(__file__).parent / "sample_pack" / "src" / "tanpuhui_sample"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"
DAY = dt.date(2026, 1, 15)
Change = Callable[[Path], None]


class Site:
    """A folder on the path into which packs are installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self,
        name: str,
        *changes: Change,
        value: str | None = None,
        version: str = "1.0",
        entry_points: str | None = None,
    ) -> Path:
        """Install the sample under another name, changed; returns its package folder."""
        package = name.replace("-", "_")
        folder = self.folder / package
        shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for change in changes:
            change(folder)
        metadata = self.folder / f"{package}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
        text = entry_points or f"[{GROUP}]\npacks = {value or package}\n"
        (metadata / "entry_points.txt").write_text(text)
        importlib.invalidate_caches()
        return folder

    def load(self) -> Catalogue:
        return load_catalogue(demonstration=True, plugins=installed_plugins())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


def rewrite(file: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new), encoding="utf-8")

    return change


def write(file: str, text: str) -> Change:
    def change(folder: Path) -> None:
        (folder / file).write_text(text, encoding="utf-8")

    return change


PACK, RULE = "990100_sample/pack.yaml", "990100_sample/green_bottle_refill.yaml"


def all_of(*changes: Change) -> Change:
    def change(folder: Path) -> None:
        for each in changes:
            each(folder)

    return change


def moved(region: str, zh: str = "别市", en: str = "Other City") -> Change:
    """Speak for another region than the sample does."""
    return all_of(
        rewrite(PACK, "{zh: 示例市, en: Sample City}", f"{{zh: {zh}, en: {en}}}"),
        rewrite(PACK, "990100", region),
        rewrite(RULE, "990100", region),
    )


def assert_only_the_sample(catalogue: Catalogue, sample: str = "tanpuhui-sample") -> None:
    """The built-in packs and the sample work; nothing else was added."""
    built_in = load_catalogue(demonstration=True)
    assert [m.content_hash for m in catalogue.methodologies if catalogue.origin(m) == "built-in"] == [
        m.content_hash for m in built_in.methodologies
    ]
    rule = catalogue.select("990100", "green.bottle_refill", DAY)
    assert rule is not None
    assert rule.quantify({"count": 2}) == 165_000
    assert catalogue.origin(rule) == f"{sample} 1.0"
    assert len(catalogue.methodologies) == len(built_in.methodologies) + 1
    assert catalogue.regions().keys() - built_in.regions().keys() == {"990100"}
    assert catalogue.scenes().keys() - built_in.scenes().keys() == {"green.bottle_refill"}


def test_without_installed_packs_there_are_the_built_in_ones(site: Site) -> None:
    catalogue = site.load()
    assert catalogue.refused == ()
    assert {catalogue.origin(each) for each in catalogue.methodologies} == {"built-in"}


def test_an_installed_pack_counts_and_adopts_the_national_rule_for_its_region(site: Site) -> None:
    site.install("tanpuhui-sample")
    catalogue = site.load()
    assert catalogue.refused == ()
    assert_only_the_sample(catalogue)
    adopted = catalogue.select("990100", "trip.shared_bike", DAY)
    assert adopted is not None
    assert adopted.region == "100000"


def test_a_pack_for_a_known_region_and_a_known_scene_counts(site: Site) -> None:
    site.install("sz", moved("440300", "深圳市", "Shenzhen"))
    catalogue = site.load()
    assert catalogue.refused == ()
    rule = catalogue.select("440305", "green.bottle_refill", DAY)
    assert rule is not None
    assert catalogue.origin(rule) == "sz 1.0"


TRIP = """
region: "990200"
scene: trip.walk
code: SAMPLE.walk
version: "1"
title: {zh: 示例, en: Sample}
authority: null
document: {title: 虚构}
filing_no: null
in_force: {from: 2025-01-01, to: null}
status: demonstration
confidence: example
demonstration_only: true
inputs: [{name: distance_m, unit: m, min: 1, max: 50000}]
parameters: [{name: factor, value: "10", unit: gCO2e/km, source: 虚构, confidence: example}]
formula: distance_m * factor
claims: [{rule: order, of: order_no, period: forever, required: true}]
examples: [{inputs: {distance_m: 1000}, co2e_g: "10", basis: 1 km}]
"""

ELSEWHERE = moved("990200")

# Name → change, the end of the place, a part of the reason.
BREAKAGES: dict[str, tuple[Change, str, str]] = {
    "import_error": (
        write("__init__.py", "x = 1\nimport no_such_module\n"),
        "/__init__.py:2",
        "unexpected ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "exception": (
        write("__init__.py", "raise LookupError('line one\\nline two')\n"),
        "/__init__.py:1",
        "unexpected LookupError: line one line two",
    ),
    "exit": (
        write("__init__.py", "import sys\n\nsys.exit(3)\n"),
        "/__init__.py:3",
        "unexpected SystemExit: 3",
    ),
    "own_base_exception": (
        write("__init__.py", "class Odd(BaseException):\n    pass\nraise Odd\n"),
        "/__init__.py:3",
        "unexpected Odd",
    ),
    "no_text": (
        write("__init__.py", "class Odd(Exception):\n    def __str__(self): return 1 / 0\nraise Odd\n"),
        "/__init__.py:3",
        "unexpected Odd",
    ),
    "syntax": (write("__init__.py", "x = 1\ny = = 2\n"), "/__init__.py:2", "unexpected SyntaxError"),
    "yaml": (write(RULE, "region: [\n"), f"/{RULE}", "not valid YAML (line 2)"),
    "endless": (write(RULE, 'region: "990100"\ninputs: &a [*a]\n'), f"/{RULE}", "unexpected RecursionError"),
    "unit": (all_of(ELSEWHERE, rewrite(RULE, "gCO2e/act", "gCO2e/km")), f"/{RULE}#/formula", "wanted gCO2e"),
    "example": (
        all_of(ELSEWHERE, rewrite(RULE, 'co2e_g: "165"', 'co2e_g: "166"')),
        f"/{RULE}#/examples/1/co2e_g",
        "found 165 g, wanted 166 g",
    ),
    "scene": (
        all_of(ELSEWHERE, rewrite(RULE, "green.bottle_refill", "green.unheard_of")),
        f"/{RULE}#/scene",
        "unknown scene green.unheard_of",
    ),
    "adopted_scene": (
        all_of(ELSEWHERE, rewrite(PACK, "trip.shared_bike", "trip.unheard_of")),
        f"/{PACK}#/adopts_national/0",
        "unknown scene trip.unheard_of",
    ),
    "scene_of_others": (
        all_of(
            ELSEWHERE,
            write(
                "scenes.yaml", "trip.metro: {title: {zh: 地铁, en: Metro}, group: trip, movement: false}\n"
            ),
        ),
        "/scenes.yaml#/trip.metro",
        "the scene trip.metro is defined otherwise already",
    ),
    "region_name": (moved("440300", "鹏城", "Pengcheng"), f"/{PACK}#/regions", "440300 has two names"),
    "nation": (moved("100000", "全国", "China"), f"/{RULE}#/region", "may not speak for the nation"),
    "overlap_with_built_in": (
        all_of(
            moved("510500", "泸州市", "Luzhou"), rewrite(RULE, "green.bottle_refill", "recycling.clothes")
        ),
        f"/{RULE}#/in_force",
        "1) and Methodology(510500 recycling.clothes LZ-LVYAJIFEN.clothes 2024) of ",
    ),
    "twice": (
        all_of(ELSEWHERE, lambda folder: shutil.copy(folder / RULE, folder / "990100_sample" / "z.yaml")),
        "/990100_sample/z.yaml#/version",
        "region, code and version stand twice",
    ),
    "trip_without_body": (
        all_of(ELSEWHERE, write("990100_sample/walk.yaml", TRIP)),
        "/990100_sample/walk.yaml#/claims",
        "Methodology(990200 trip.walk SAMPLE.walk 1) must claim body",
    ),
    "no_data": (
        lambda folder: shutil.rmtree(folder / "990100_sample"),
        "bad_pack",
        "does the wheel contain its YAML files?",
    ),
}


@pytest.mark.parametrize("name", ["a-bad-pack", "z-bad-pack"])
@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_pack_is_refused_whole_and_the_others_work(site: Site, breakage: str, name: str) -> None:
    """Whether it is looked at before the sample or after it."""
    change, place, reason = BREAKAGES[breakage]
    site.install("tanpuhui-sample")
    site.install(name, change)
    catalogue = site.load()
    assert_only_the_sample(catalogue)
    assert [(each.distribution, each.version) for each in catalogue.refused] == [(name, "1.0")]
    refused = catalogue.refused[0]
    assert refused.place.endswith(place)
    assert reason in refused.error.message_en
    assert re.search("[\u4e00-\u9fff]", refused.error.message_zh)


def test_one_bad_pack_refuses_the_good_one_of_the_same_distribution(site: Site) -> None:
    site.install("tanpuhui-sample")
    bad = all_of(ELSEWHERE, rewrite(RULE, 'co2e_g: "165"', 'co2e_g: "166"'))
    site.install("helper", bad, entry_points="[other]\n")
    site.install("pair", moved("990300"), entry_points=f"[{GROUP}]\ngood = pair\nbad = helper\n")
    catalogue = site.load()
    assert_only_the_sample(catalogue)
    assert [each.distribution for each in catalogue.refused] == ["pair"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_package", "No module named 'no_such_package'"),
        ("odd:nothing", "has no attribute 'nothing'"),
        ("odd:__doc__", "must name a package"),
        ("odd.module", "must name a package"),
        ("not a name", "unexpected "),
    ],
)
def test_an_entry_point_that_names_no_package(site: Site, value: str, reason: str) -> None:
    site.install("tanpuhui-sample")
    site.install("odd", ELSEWHERE, write("module.py", ""), value=value)
    catalogue = site.load()
    assert_only_the_sample(catalogue)
    refused = catalogue.refused[0]
    assert (refused.distribution, refused.place) == ("odd", f"entry point packs = {value}")
    assert reason in refused.error.message_en


def test_metadata_that_cannot_be_read_refuse_their_own_distribution_only(site: Site) -> None:
    site.install("tanpuhui-sample")
    site.install("torn", ELSEWHERE, entry_points=f"[{GROUP}]\nno equals sign\n")
    site.install("unlike", ELSEWHERE, entry_points="[console_scripts]\nno equals sign\n")
    site.install("nameless", ELSEWHERE)
    (site.folder / "nameless-1.0.dist-info" / "METADATA").unlink()
    catalogue = site.load()
    assert_only_the_sample(catalogue)
    assert [(each.distribution, each.place) for each in catalogue.refused] == [
        ("torn", f"entry points of torn in {site.folder}"),
        ("unnamed", str(site.folder)),
    ]


RULE_IN_PYTHON = """
from fractions import Fraction

def refill(inputs, values):
    return inputs["count"] * values["each"] * Fraction(1, 3)
"""


def in_python(text: str, name: str = "tanpuhui_sample.counting:refill") -> Change:
    """The sample computed by a rule of its package: a third of it."""
    return all_of(
        write("counting.py", text),
        rewrite(RULE, "formula: count * each", f"rule: {name}"),
        rewrite(RULE, '"82.5"\n    unit', '"247.5"\n    unit'),
    )


def test_a_package_brings_its_rules_in_python(site: Site) -> None:
    site.install("tanpuhui-sample", in_python(RULE_IN_PYTHON))
    catalogue = site.load()
    assert catalogue.refused == ()
    assert_only_the_sample(catalogue)


def test_a_rule_is_found_again_beside_torn_metadata(site: Site) -> None:
    """Else nothing that such a rule credited could be verified."""
    site.install("a-torn", ELSEWHERE, entry_points=f"[{GROUP}]\nno equals sign\n")
    site.install("odd", ELSEWHERE, value="not a name")
    site.install("tanpuhui-sample", in_python(RULE_IN_PYTHON))
    rule = site.load().select("990100", "green.bottle_refill", DAY)
    assert rule is not None
    assert rebuild(rule.content).quantify({"count": 2}) == 165_000


@pytest.mark.parametrize(
    ("text", "rule", "place", "reason"),
    [
        (
            "x = 1\nraise LookupError('no')\n",
            "bad.counting:refill",
            "/counting.py:2",
            "unexpected LookupError: no",
        ),
        ("import sys\nsys.exit(2)\n", "bad.counting:refill", "/counting.py:2", "unexpected SystemExit: 2"),
        (
            "def refill(inputs, values):\n    raise SystemExit\n",
            "bad.counting:refill",
            "/counting.py:2",
            "SystemExit",
        ),
        ("", "bad.counting:refill", f"/{RULE}#/rule", "does not come with this pack"),
        ("", "bad.no_module:refill", f"/{RULE}#/rule", "does not come with this pack"),
        (
            "import no_such_module\n",
            "bad.counting:refill",
            "/counting.py:1",
            "unexpected ModuleNotFoundError",
        ),
        ("", "os:getcwd", f"/{RULE}#/rule", "does not come with this pack"),
        ("", "tanpuhui_sample.counting:refill", f"/{RULE}#/rule", "does not come with this pack"),
        (
            RULE_IN_PYTHON.replace("3)", "4)"),
            "bad.counting:refill",
            f"/{RULE}#/examples/0/co2e_g",
            "not hold",
        ),
        (
            RULE_IN_PYTHON.replace("return", "return 1.0 *"),
            "bad.counting:refill",
            f"/{RULE}#/examples/0",
            "rule_failed",
        ),
    ],
)
def test_a_rule_that_cannot_be_run(site: Site, text: str, rule: str, place: str, reason: str) -> None:
    site.install("tanpuhui-sample", in_python(RULE_IN_PYTHON))
    site.install("bad", in_python(text, rule))
    catalogue = site.load()
    assert_only_the_sample(catalogue)
    assert [each.distribution for each in catalogue.refused] == ["bad"]
    assert catalogue.refused[0].place.endswith(place)
    assert reason in catalogue.refused[0].error.message_en


@pytest.mark.parametrize("names", [("b-city", "a-city"), ("A_City", "b-city")])
def test_of_two_that_clash_the_first_by_name_stays(site: Site, names: tuple[str, str]) -> None:
    """Whichever was installed first, and whichever comes first on the path."""
    later = rewrite(RULE, "from: 2025-01-01", "from: 2026-01-01")
    first, second = sorted(names, key=str.lower)
    for name in names:
        site.install(name, *([] if name == first else [later, rewrite(RULE, 'version: "1"', 'version: "2"')]))
    catalogue = site.load()
    assert_only_the_sample(catalogue, first)
    assert [each.distribution for each in catalogue.refused] == [second]
    assert "overlap" in catalogue.refused[0].error.message_en
    assert f"{first.replace('-', '_')}/{RULE}" in catalogue.refused[0].error.message_en


def test_one_that_is_refused_stands_in_nobodys_way(site: Site) -> None:
    """Its regions and scenes are not taken either."""
    site.install(
        "a-city",
        rewrite(PACK, "Sample City", "Another Name"),
        rewrite("scenes.yaml", "Bottle refilled", "Another name"),
        rewrite(RULE, 'co2e_g: "165"', 'co2e_g: "166"'),
    )
    site.install("tanpuhui-sample")
    catalogue = site.load()
    assert_only_the_sample(catalogue)
    assert [each.distribution for each in catalogue.refused] == ["a-city"]


def test_the_same_scene_defined_alike_is_no_clash(site: Site) -> None:
    site.install("tanpuhui-sample")
    site.install("z-city", ELSEWHERE)
    catalogue = site.load()
    assert catalogue.refused == ()
    assert catalogue.select("990200", "green.bottle_refill", DAY) is not None


def test_of_two_versions_on_the_path_the_one_that_python_imports_counts(
    site: Site, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("tanpuhui-sample", version="1.0")
    behind = Site(tmp_path_factory.mktemp("behind"))
    behind.install("tanpuhui-sample", version="0.9")
    monkeypatch.setattr(sys, "path", [*sys.path, str(behind.folder)])
    assert_only_the_sample(site.load())


def test_the_built_in_packs_fail_loudly(tmp_path: Path) -> None:
    folder = tmp_path / "packs"
    shutil.copytree(SAMPLE, folder)
    rewrite(RULE, 'co2e_g: "165"', 'co2e_g: "166"')(folder)
    with pytest.raises(PackError, match="found 165 g, wanted 166 g"):
        load_catalogue(folder)


def test_an_operators_version_keeps_origins_and_goes_with_the_package_that_names_its_scene(
    site: Site,
) -> None:
    site.install("tanpuhui-sample")
    catalogue = site.load()
    rule = catalogue.select("990100", "green.bottle_refill", DAY)
    assert rule is not None
    newer = rebuild(rule.content.replace('"version":"1"', '"version":"2"'))
    both = catalogue.with_versions([newer], {}, ())
    assert both.select("990100", "green.bottle_refill", DAY) is newer
    assert both.origin(newer) == "operator"
    assert {both.origin(m) for m in both.methodologies} == {"built-in", "operator"}
    without = load_catalogue(demonstration=True).with_versions([newer], {}, ())
    assert without.select("990100", "green.bottle_refill", DAY) is None
    assert {without.origin(m) for m in without.methodologies} == {"built-in"}


# python -m methodologies.check


@pytest.fixture
def own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check puts the folder's parent on the path, which ends with the process otherwise."""
    monkeypatch.setattr(sys, "path", [*sys.path])


def test_the_check_prints_what_was_loaded(own_path: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SAMPLE)]) == 0
    assert capsys.readouterr().out == (
        "990100 green.bottle_refill SAMPLE.bottle-refill 1 2025-01-01/ examples: 2 demonstration_only\n"
    )


@pytest.mark.parametrize(
    "breakage", [name for name in BREAKAGES if BREAKAGES[name][1].startswith(("/9", "/s"))]
)
def test_the_check_prints_the_first_thing_wrong(
    own_path: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], breakage: str
) -> None:
    change, place, reason = BREAKAGES[breakage]
    folder = tmp_path / f"checked_{breakage}"
    shutil.copytree(SAMPLE, folder)
    change(folder)
    assert main([str(folder)]) == 1
    first, english, chinese = capsys.readouterr().out.splitlines()
    assert first.endswith(place)
    assert reason in english
    assert re.search("[\u4e00-\u9fff]", chinese)


def test_the_check_imports_a_package_inside_another_for_its_rules(
    own_path: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "checked_bureau" / "packs"
    folder.parent.mkdir()
    (folder.parent / "__init__.py").touch()
    shutil.copytree(SAMPLE, folder)
    in_python(RULE_IN_PYTHON, "checked_bureau.packs.counting:refill")(folder)
    assert main([str(folder)]) == 0
    assert "SAMPLE.bottle-refill" in capsys.readouterr().out
    again = tmp_path / "elsewhere" / "checked_bureau"
    shutil.copytree(folder.parent, again)
    assert main([str(again / "packs")]) == 1
    assert "checked_bureau.packs is the name of another package" in capsys.readouterr().out


def test_the_check_refuses_a_folder_without_packs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 1
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("no folder with a pack.yaml") == 2


# docs/plugins.md


def test_what_the_page_shows_is_the_sample_and_its_test_passes(
    own_path: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = PAGE.read_text(encoding="utf-8")
    project = (SAMPLE.parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r"```toml\n(.*?)```", shown, re.DOTALL) == [project]
    (code,) = re.findall(r"```python\n(.*?)```", shown, re.DOTALL)
    monkeypatch.syspath_prepend(SAMPLE.parent)
    scope: dict[str, Callable[[], None]] = {}
    exec(code, scope)  # noqa: S102 - the page's own test
    scope["test_refills"]()
