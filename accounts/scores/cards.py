"""Score cards as packs: YAML files of dated versions, each with its content hash; which is in force tells a city."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from accounts.scores.text import CardText
from methodologies import messages
from methodologies.errors import PackError
from methodologies.yaml_files import read_yaml

BUILT_IN = Path(__file__).parent / "cards"


@dataclass(frozen=True)
class Card:
    """One version of a card. `content` is the canonical JSON of its text, `content_hash` its SHA-256 in hex."""

    text: CardText
    content: str
    content_hash: str

    @property
    def name(self) -> str:
        """The card, without its version."""
        return self.text.card

    @property
    def version(self) -> str:
        """Its version."""
        return self.text.version


def card_of(text: CardText) -> Card:
    """The card of a text."""
    data = text.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    content = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Card(text, content, hashlib.sha256(content.encode()).hexdigest())


@lru_cache(maxsize=256)
def rebuild(content: str) -> Card:
    """The card of stored content: scores are explained by the text that they were computed by."""
    return card_of(CardText.model_validate_json(content, strict=False))


class Cards:
    """The versions of all cards of some folders. Raises `PackError` where one stands twice."""

    def __init__(self, cards: Iterable[Card]) -> None:
        self._cards: dict[tuple[str, str], Card] = {}
        for each in cards:
            if (each.name, each.version) in self._cards:
                raise PackError(
                    each.name, "/version", "同一版本出现两次", f"version {each.version} stands twice"
                )
            self._cards[each.name, each.version] = each

    def __iter__(self) -> Iterator[Card]:
        return iter(self._cards.values())

    def find(self, card: str, version: str) -> Card | None:
        """A version of a card."""
        return self._cards.get((card, version))

    def kinds(self) -> frozenset[str]:
        """The kinds of conduct that any card knows."""
        return frozenset(rule.kind for card in self for rule in card.text.conduct)


def load_cards(*folders: Path) -> Cards:
    """The built-in cards and those of the folders; raises `PackError` for the first thing that is wrong."""
    return Cards(card for folder in (BUILT_IN, *folders) for card in read_cards(folder))


def read_cards(folder: Path) -> Iterator[Card]:
    """Every version that the files of a folder describe."""
    if not folder.is_dir():
        raise PackError(folder, "", "文件夹不存在", "the folder does not exist")
    for path in sorted(folder.glob("*.yaml")):
        for data, place in _versions(read_yaml(path), path):
            yield card_of(_text(data, path, place))


def _versions(data: dict[str, Any], path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    """A file is one version, or a mapping with `versions:`, a list laid over the common keys."""
    if "versions" not in data:
        yield data, ""
        return
    common = {key: value for key, value in data.items() if key != "versions"}
    versions = data["versions"]
    if not isinstance(versions, list) or not all(isinstance(each, dict) for each in versions):
        raise PackError(path, "/versions", "versions 须为映射的列表", "versions must be a list of mappings")
    for position, own in enumerate(versions):
        yield {**common, **own}, f"/versions/{position}"


def _text(data: Mapping[str, Any], path: Path, place: str) -> CardText:
    try:
        return CardText.model_validate(data)
    except ValidationError as error:
        first = next(messages.problems(error))
        raise PackError(
            path, place + first.pointer, f"不合规：{first.message_zh}", first.message_en
        ) from None
