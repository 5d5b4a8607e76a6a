"""A bureau's wheel, installed beside the service in a fresh environment: its scene is credited.

The service and the packs are wheels, built and installed as anybody would. Only the service's requirements
are not installed again: the fresh environment borrows them from the one that runs the tests, by a path file.
The path file adds no path files of the borrowed folder, so that the source tree's editable installation is
not found there, and the service that runs is the one of the wheel.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from helpers import City, metro

from app.embedded.stack import Stack
from app.settings import Settings
from app.wiring import Services

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = Path(__file__).parent / "sample_pack"
PACKAGES = ("app", "methodologies", "accounts", "points", "dedup", "integrations", "migrations")
START_LIMIT_S = 60
EXAMPLE = 'co2e_g: "165"'
RULE_IN_PYTHON = """
def third(inputs, values):
    return inputs["count"] * values["each"] / 3
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    # Nothing of the machine's settings, and nothing is imported from the working folder.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TANPUHUI_")}
    for name in ("DATABASE_URL", "REDIS_URL", "PYTHONPATH"):
        inherited.pop(name, None)
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | {"PYTHONSAFEPATH": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def sources(folder: Path) -> list[Path]:
    """Copies to build from, so that building leaves nothing in the source tree."""
    service = folder / "service"
    service.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, service / name, ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, service / name)
    sample = folder / "sample"
    shutil.copytree(SAMPLE, sample, ignore=unwanted)
    # The broken one is the sample with a false example. By its name it is looked at before the sample.
    broken = renamed(folder / "broken", "a-broken-pack", {EXAMPLE: 'co2e_g: "166"'})
    # Another city computes by a rule in Python, from a parameter three times as large.
    ruled = renamed(
        folder / "ruled",
        "tanpuhui-ruled",
        {
            '"990100"': '"990200"',
            "formula: count * each": "rule: tanpuhui_ruled.counting:third",
            '"82.5"\n    unit': '"247.5"\n    unit',
        },
    )
    (ruled / "src" / "tanpuhui_ruled" / "counting.py").write_text(RULE_IN_PYTHON)
    pack = ruled / "src" / "tanpuhui_ruled" / "990100_sample" / "pack.yaml"
    pack.write_text(pack.read_text(encoding="utf-8").replace("990100", "990200"), encoding="utf-8")
    return [service, sample, broken, ruled]


def renamed(folder: Path, name: str, changes: dict[str, str]) -> Path:
    """The sample as a project of another name, its methodology changed."""
    package = name.replace("-", "_")
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    (folder / "src" / "tanpuhui_sample").rename(folder / "src" / package)
    project = folder / "pyproject.toml"
    project.write_text(
        project.read_text().replace("tanpuhui-sample", name).replace("tanpuhui_sample", package)
    )
    rule = folder / "src" / package / "990100_sample" / "green_bottle_refill.yaml"
    text = rule.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    rule.write_text(text, encoding="utf-8")
    return folder


@dataclass
class Installed:
    """A fresh environment with the service, the sample and the broken pack."""

    folder: Path
    python: Path
    environment: dict[str, str]

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return run(self.python, "-m", *command, cwd=self.folder, **self.environment)


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Settings,
    stack: Stack,
    database_urls: tuple[str, str],
) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    wheels = folder / "wheels"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    offline = ("--no-index", "--no-deps")
    done = run(*pip, "wheel", *offline, "--no-build-isolation", "-w", wheels, *sources(folder), cwd=folder)
    assert done.returncode == 0, done.stderr
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    done = run(*pip, "--python", python, "install", *offline, *wheels.iterdir(), cwd=folder)
    assert done.returncode == 0, done.stderr
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "venv" / "lib" / version / "site-packages"
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(
        folder,
        python,
        {
            "TANPUHUI_ENVIRONMENT": "test",
            # The keys of the other fixtures, which sign in and onboard by the same database.
            "TANPUHUI_DATA_DIR": str(settings.data_dir),
            "TANPUHUI_DATABASE_URL": database_urls[0],
            "TANPUHUI_MIGRATION_DATABASE_URL": database_urls[1],
            "TANPUHUI_REDIS_URL": stack.redis_url,
        },
    )


@dataclass
class Running:
    """The service of the fresh environment."""

    url: str
    log: Path


@pytest.fixture(scope="module")
def running(installed: Installed) -> Iterator[Running]:
    log = installed.folder / "service.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [installed.python, "-m", "app.cli", "serve", "--port", "0"],
            cwd=installed.folder,
            env=os.environ | {"PYTHONSAFEPATH": "1"} | installed.environment,
            stdout=file,
            stderr=file,
        )
    try:
        until = time.monotonic() + START_LIMIT_S
        while (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield Running(found.group(), log)
    finally:
        process.terminate()
        process.wait(30)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wheel_city(running: Running, service: Services) -> AsyncIterator[City]:
    async with httpx.AsyncClient(base_url=running.url, timeout=30) as http:
        yield City(http, service)


def refill(event_id: str, phone: str, region: str = "990100") -> dict[str, Any]:
    return {
        "event_id": event_id,
        "scene": "green.bottle_refill",
        "region": region,
        "subject": {"scheme": "phone", "value": phone},
        "occurred_at": "2026-11-16T08:00:00+08:00",
        "count": 2,
        "order_no": event_id,
    }


def test_the_service_is_the_one_of_the_wheel(installed: Installed) -> None:
    found = run(installed.python, "-c", "import app; print(app.__file__)", cwd=installed.folder)
    assert Path(found.stdout.strip()).is_relative_to(installed.folder), found


async def test_an_act_of_the_sample_is_credited_and_the_built_in_ones_go_on(
    wheel_city: City, phone: str
) -> None:
    operator, platform = await wheel_city.client("operator"), await wheel_city.client("platform")
    await wheel_city.holder(operator, phone, platform, region="990100")
    answer = await platform.post("/v1/activities", json=refill("refill-1", phone))
    assert (answer.status_code, answer.json()["outcome"], answer.json()["co2e_g"]) == (200, "credited", "165")
    again = (await platform.post("/v1/activities", json=refill("refill-1", phone))).json()
    assert (again["replayed"], again["activity_id"]) == (True, answer.json()["activity_id"])
    told = await platform.get(f"/v1/activities/{answer.json()['activity_id']}/explanation")
    assert "SAMPLE.bottle-refill" in told.text
    built_in = await platform.post("/v1/activities", json=metro("metro-1", phone))
    assert (built_in.json()["outcome"], built_in.json()["co2e_g"]) == ("credited", "467")


async def test_an_act_is_credited_by_a_rule_in_python_and_recomputed(
    wheel_city: City, installed: Installed, phone: str
) -> None:
    operator, platform = await wheel_city.client("operator"), await wheel_city.client("platform")
    await wheel_city.holder(operator, phone, platform, region="990200")
    answer = await platform.post("/v1/activities", json=refill("refill-2", phone, "990200"))
    assert (answer.json()["outcome"], answer.json()["co2e_g"]) == ("credited", "165")
    done = installed.run("app.cli", "verify")
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_catalogue_tells_where_each_methodology_comes_from(wheel_city: City) -> None:
    async def origins(region: str) -> set[tuple[str, str]]:
        answer = await wheel_city.http.get("/v1/methodologies", params={"region": region})
        return {(item["code"], item["origin"]) for item in answer.json()["items"]}

    assert await origins("990100") == {("SAMPLE.bottle-refill", "tanpuhui-sample 1.0")}
    assert {origin for _, origin in await origins("440300")} == {"built-in"}


async def test_the_broken_one_is_refused_with_its_name_and_reason(
    wheel_city: City, running: Running, installed: Installed
) -> None:
    warnings = [
        json.loads(line)
        for line in running.log.read_text().splitlines()
        if "methodology pack refused" in line
    ]
    assert [(each["level"], each["distribution"], each["version"]) for each in warnings] == [
        ("warning", "a-broken-pack", "1.0")
    ]
    assert warnings[0]["place"].endswith(
        "a_broken_pack/990100_sample/green_bottle_refill.yaml#/examples/1/co2e_g"
    )
    assert warnings[0]["reason"] == "the example does not hold: found 165 g, wanted 166 g"
    measured = (await wheel_city.http.get("/metrics")).text
    assert "tanpuhui_methodology_packs_refused 1.0" in measured.splitlines()
    done = installed.run("app.cli", "packs", "--json")
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert [each["origin"] for each in told["packs"]] == [
        "built-in",
        "tanpuhui-ruled 1.0",
        "tanpuhui-sample 1.0",
    ]
    assert [(each["distribution"], each["place"]) for each in told["refused"]] == [
        ("a-broken-pack", warnings[0]["place"])
    ]
    for_people = installed.run("app.cli", "packs")
    assert for_people.returncode == 1
    assert "REFUSED 拒绝 a-broken-pack 1.0" in for_people.stdout
    assert "算例不成立" in for_people.stdout


def test_the_check_for_authors_runs_where_the_service_is_installed(installed: Installed) -> None:
    done = installed.run("methodologies.check", "sample/src/tanpuhui_sample")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("990100 green.bottle_refill SAMPLE.bottle-refill 1 2025-01-01/ examples: 2")
    done = installed.run("methodologies.check", "broken/src/a_broken_pack")
    assert done.returncode == 1
    assert "/examples/1/co2e_g\n  the example does not hold: found 165 g, wanted 166 g\n" in done.stdout
