"""What pydantic finds wrong with a text, as places and plain sentences in Chinese and English."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from methodologies.errors import TextError


class Problem(NamedTuple):
    """One thing that is wrong, at a JSON pointer."""

    pointer: str
    message_zh: str
    message_en: str


# By pydantic's type of error; what stands in braces is filled from its context.
_SENTENCES: Mapping[str, tuple[str, str]] = {
    "missing": ("缺少这一项", "this is missing"),
    "extra_forbidden": ("不认识的项", "this key is not known"),
    "string_type": ("须为文字（数值请加引号）", "must be text (a number goes in quotes)"),
    "string_pattern_mismatch": ("格式不对，应符合 {pattern}", "does not match the pattern {pattern}"),
    "string_too_short": ("至少 {min_length} 个字符", "must have at least {min_length} characters"),
    "string_too_long": ("至多 {max_length} 个字符", "must have at most {max_length} characters"),
    "int_type": ("须为整数", "must be a whole number"),
    "bool_type": ("须为 true 或 false", "must be true or false"),
    "greater_than": ("须大于 {gt}", "must be greater than {gt}"),
    "greater_than_equal": ("须不小于 {ge}", "must be {ge} or more"),
    "less_than": ("须小于 {lt}", "must be less than {lt}"),
    "less_than_equal": ("须不大于 {le}", "must be {le} or less"),
    "literal_error": ("须为其中之一：{expected}", "must be {expected}"),
    "too_short": ("至少 {min_length} 项", "must have at least {min_length} items"),
    "too_long": ("至多 {max_length} 项", "must have at most {max_length} items"),
    "tuple_type": ("须为列表", "must be a list"),
    "list_type": ("须为列表", "must be a list"),
    "dict_type": ("须为映射", "must be a mapping"),
    "model_type": ("须为映射", "must be a mapping"),
    "model_attributes_type": ("须为映射", "must be a mapping"),
    "date_type": ("须为日期 YYYY-MM-DD", "must be a day, YYYY-MM-DD"),
    "date_parsing": ("须为日期 YYYY-MM-DD", "must be a day, YYYY-MM-DD"),
    "date_from_datetime_parsing": ("须为日期 YYYY-MM-DD", "must be a day, YYYY-MM-DD"),
    "date_from_datetime_inexact": ("须为日期 YYYY-MM-DD", "must be a day, YYYY-MM-DD"),
}


# By what the start of a pattern takes; a person who edits a text reads no patterns.
_PATTERNS: tuple[tuple[str, tuple[str, str]], ...] = (
    (
        "^[0-9]{1,12}",
        (
            '须为加引号的非负十进制数，如 "0.104"（不带符号、逗号与指数）',
            'must be a decimal number of 0 or more in quotes, such as "0.104", without sign, comma or exponent',
        ),
    ),
    ("^[1-9][0-9]{5}", ("须为加引号的六位行政区划代码", "must be a region code of six digits in quotes")),
    ("^[a-z][a-z0-9_]*\\.", ("须为场景名，如 trip.metro", "must be the name of a scene, such as trip.metro")),
    (
        "^[a-z][a-z0-9_]{0,39}$",
        ("须为小写字母开头的名称", "must be a name of lower-case letters, digits and _"),
    ),
    ("^(distance_m|", ("须为已知的输入名，如 distance_m", "must be a known input, such as distance_m")),
    (
        "^(person|",
        (
            "须为 person、issuer、order_no、bill_no、asset_id，用 + 相连",
            "must join person, issuer, order_no, bill_no, asset_id with +",
        ),
    ),
    (
        "^[A-Za-z0-9][A-Za-z0-9._-]",
        ("须为字母、数字、. _ - 组成的代码", "must be a code of letters, digits, . _ and -"),
    ),
    (
        "^[0-9A-Za-z][0-9A-Za-z.-]",
        (
            "须为字母、数字、. - 组成的版本号，至多 20 个字符",
            "must be a version of letters, digits, . and -, at most 20",
        ),
    ),
    ("^[a-z_][a-z0-9_]*(", ("须为 module:function", "must be module:function")),
)


def problems(error: ValidationError) -> Iterator[Problem]:
    """Yield every problem that a validation found, in its order."""
    for each in error.errors(include_url=False, include_input=False):
        context: dict[str, Any] = each.get("ctx", {})
        pointer = "".join(f"/{escaped(part)}" for part in each["loc"] if part != "[key]")
        cause = context.get("error")
        if isinstance(cause, TextError):
            yield Problem(pointer + cause.at, cause.message_zh, cause.message_en)
            continue
        zh, en = _sentences(each["type"], context) or ("不合规：" + each["msg"], each["msg"])
        yield Problem(pointer, _filled(zh, _in_chinese(context)), _filled(en, context))


def _sentences(kind: str, context: Mapping[str, Any]) -> tuple[str, str] | None:
    if kind == "string_pattern_mismatch":
        for start, sentences in _PATTERNS:
            if str(context.get("pattern", "")).startswith(start):
                return sentences
    return _SENTENCES.get(kind)


def _in_chinese(context: Mapping[str, Any]) -> dict[str, Any]:
    """Pydantic joins what is expected by an English word."""
    return {
        name: value.replace(" or ", " 或 ") if name == "expected" else value
        for name, value in context.items()
    }


def escaped(part: object) -> str:
    """Write one part of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def _filled(sentence: str, context: Mapping[str, Any]) -> str:
    for name, value in context.items():
        sentence = sentence.replace(f"{{{name}}}", str(value))
    return sentence
