"""What can go wrong: a pack that does not load, a formula that is none, an act that is refused."""

from pathlib import Path


class FormulaError(ValueError):
    """A formula, unit or parameter that the engine does not take.

    Carries both languages; the loader adds the place and turns it into a `PackError`.
    """

    def __init__(self, message_zh: str, message_en: str) -> None:
        super().__init__(message_en)
        self.message_zh = message_zh
        self.message_en = message_en


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


class Refused(Exception):
    """An act is not credited by a methodology.

    `code` is stable snake_case (`missing_input`, `input_out_of_range`, `implausible_speed`,
    `implausible_duration`, `implausible_distance`, `negative_reduction`); `field` names the input
    concerned. Neither ever holds a value, so that no log can hold one.
    """

    def __init__(self, code: str, field: str) -> None:
        super().__init__(code, field)
        self.code = code
        self.field = field

    def __str__(self) -> str:
        return f"{self.code}: {self.field}"
