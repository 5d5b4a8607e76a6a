"""The texts that people consent to: versioned data in both languages, each fixed by its hash. Pure."""

import datetime
import hashlib
import json
from functools import cached_property
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

BUILT_IN = Path(__file__).parent / "consent_texts.yaml"
SCENES = "scenes"
"""What a text covers that serves for every scene group."""
APART = ("movement", "aggregation")
"""Groups with a text of their own, which no other text covers."""
BANKS = "banks"
"""What a text covers by which a bank is let see a holder's tier, score or report; no group of scenes."""


class BothLanguages(BaseModel):
    """The same in Chinese and in English."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class ConsentText(BaseModel):
    """One version of what is agreed to, offered from a day on until the next version."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    covers: str
    version: str
    first_day: datetime.date = Field(alias="from")
    title: BothLanguages
    text: BothLanguages

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the canonical JSON of what it covers, version, title and text, hexadecimal."""
        return content_hash(
            {
                "covers": self.covers,
                "version": self.version,
                "title": self.title.model_dump(),
                "text": self.text.model_dump(),
            }
        )


def content_hash(content: object) -> str:
    """SHA-256 of JSON with sorted names, without spaces, in UTF-8; hexadecimal."""
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


class ConsentTexts:
    """All texts; of each kind the newest that has begun is offered."""

    def __init__(self, texts: tuple[ConsentText, ...]) -> None:
        self.texts = tuple(sorted(texts, key=lambda t: (t.covers, t.first_day)))
        keys = {(t.covers, t.version) for t in texts}
        if len(keys) < len(texts) or {t.covers for t in texts} != {SCENES, *APART, BANKS}:
            raise ValueError("each kind of consent needs a text, and each text a version of its own")

    def offered(self, scene_group: str, today: datetime.date) -> ConsentText | None:
        """The text by which a consent to a scene group is given today."""
        covers = scene_group if scene_group in (*APART, BANKS) else SCENES
        begun = [t for t in self.texts if t.covers == covers and t.first_day <= today]
        return begun[-1] if begun else None

    def of_version(self, scene_group: str, version: str) -> ConsentText | None:
        """One version of the text of a scene group, offered still or not."""
        covers = scene_group if scene_group in (*APART, BANKS) else SCENES
        return next((t for t in self.texts if (t.covers, t.version) == (covers, version)), None)


def load_consent_texts(path: Path = BUILT_IN) -> ConsentTexts:
    """Read the texts from YAML; raises `pydantic.ValidationError` where one is wrong."""
    rows = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return ConsentTexts(tuple(ConsentText.model_validate(row) for row in rows))
