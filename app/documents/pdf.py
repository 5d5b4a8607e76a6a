"""PDF in Chinese: Typst sets what a template says of the data that it is handed. The one place that knows of fonts.

A template lies beside this file and reads the data as JSON from `sys.inputs.data`: texts are data and never markup. It
is handed texts that are ready to be read, since it neither calculates nor formats.
"""

import asyncio
import datetime
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import manimgx_fonts_cjk
import orjson
import typst

FAMILY = "Noto Sans CJK SC"
TEMPLATES = Path(__file__).parent / "templates"


@cache
def _fonts() -> typst.Fonts:
    folder = resources.files(manimgx_fonts_cjk)
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])


def compile_pdf(template: str, data: Mapping[str, Any], now: datetime.datetime) -> bytes:
    """The PDF of a template; the same data at the same time gives the same bytes. It takes a second per 1,000 rows."""
    compiler = typst.Compiler(
        str(TEMPLATES / template),
        root=str(TEMPLATES),
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"data": orjson.dumps({**data, "family": FAMILY}).decode()},
    )
    made = compiler.compile(format="pdf", timestamp=int(now.timestamp()))
    if not isinstance(made, bytes):
        raise TypeError("a document is one file")
    return made


async def typeset(template: str, data: Mapping[str, Any], now: datetime.datetime) -> bytes:
    """The same on a thread: Typst lets go of the interpreter while it works."""
    return await asyncio.to_thread(compile_pdf, template, data, now)
