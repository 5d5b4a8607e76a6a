"""What can go wrong: a pack that does not load, a formula that is none, an act that is refused."""

from pathlib import Path

_LONGEST_TEXT = 300


class FormulaError(ValueError):
    """A formula, unit or parameter that the engine does not take.

    Carries both languages; the loader adds the place and turns it into a `PackError`.
    """

    def __init__(self, message_zh: str, message_en: str) -> None:
        super().__init__(message_en)
        self.message_zh = message_zh
        self.message_en = message_en


class TextError(FormulaError):
    """A part of a text that does not hold together; `at` is a JSON pointer below that part."""

    def __init__(self, message_zh: str, message_en: str, at: str = "") -> None:
        super().__init__(message_zh, message_en)
        self.at = at


class MisplacedError(FormulaError):
    """A formula error at a JSON pointer below the methodology."""

    def __init__(self, pointer: str, error: FormulaError) -> None:
        super().__init__(error.message_zh, error.message_en)
        self.pointer = pointer


class Findings:
    """Takes what is wrong with a text: raises the first, or keeps them all where it `collects`."""

    def __init__(self, *, collects: bool = False) -> None:
        self._collects = collects
        self.errors: list[MisplacedError] = []

    def add(self, pointer: str, error: FormulaError) -> None:
        """Raise or keep an error at a JSON pointer."""
        found = MisplacedError(pointer, error)
        if not self._collects:
            raise found from None
        self.errors.append(found)


class PackError(ValueError):
    """A pack is refused at load.

    `path` is the file (or `content` for a rebuilt methodology), `pointer` the JSON pointer of the key
    inside it, the messages say in Chinese and English what was found and what was wanted.
    """

    def __init__(self, path: Path | str, pointer: str, message_zh: str, message_en: str) -> None:
        super().__init__(f"{path}#{pointer}: {message_en}")
        self.path = path
        self.pointer = pointer
        self.message_zh = message_zh
        self.message_en = message_en


def unexpected(error: BaseException, place: Path | str) -> PackError:
    """Say of an exception that nobody foresaw what and where it was, in one line of bounded length."""
    try:
        text = " ".join(str(error).split())[:_LONGEST_TEXT]
    except Exception:  # noqa: BLE001 - the text of an exception of others
        text = ""
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return PackError(place, "", f"意外错误：{what}", f"unexpected {what}")


_REFUSALS = {
    "missing_input": ("缺少 {field}", "{field} is missing"),
    "input_out_of_range": ("{field} 不是整数或超出 min 至 max", "{field} is no whole number from min to max"),
    "unknown_kind": ("kind 不在 kinds 之中", "the kind is none of kinds"),
    "no_table_value": ("表 {field} 没有对应的取值", "the table {field} has no value for it"),
    "rule_failed": ("Python 规则没有给出可用的结果", "the Python rule gave no usable answer"),
    "negative_reduction": ("减排量为负", "the reduction is below zero"),
    "implausible_speed": ("速度超出合理范围", "it is faster than plausibility allows"),
    "implausible_duration": ("时长超出合理范围", "its duration is outside plausibility"),
    "implausible_distance": ("距离超出合理范围", "its distance is outside plausibility"),
}


class Refused(Exception):
    """An act is not credited by a methodology.

    `code` is stable snake_case (`missing_input`, `input_out_of_range`, `implausible_speed`,
    `implausible_duration`, `implausible_distance`, `unknown_kind`, `no_table_value`, `rule_failed`,
    `negative_reduction`); `field` names the input, table or rule concerned. Neither ever holds a
    value, so that no log can hold one.
    """

    def __init__(self, code: str, field: str) -> None:
        super().__init__(code, field)
        self.code = code
        self.field = field

    def __str__(self) -> str:
        return f"{self.code}: {self.field}"

    @property
    def sentences(self) -> tuple[str, str]:
        """What the code means, in Chinese and English, for whoever writes the text."""
        zh, en = _REFUSALS[self.code]
        return zh.format(field=self.field), en.format(field=self.field)
