"""Fields that every door reads alike."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

MAX_TEXT = 128

# No control characters, so that U+0000 never reaches the database. Lone surrogates fail as JSON already.
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=r"^[^\x00-\x1f\x7f]+$")]
# 32 bytes are 43 characters of base64url, of which the last has two bits to spare: they are zero.
Bytes32 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
Region = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{5}$")]
Scheme = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,31}$")]
Group = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]

_date_and_time = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:").match


def _rfc3339(value: Any) -> Any:
    """Refuse numbers and digits, which Pydantic would read as seconds since 1970."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or _date_and_time(value) is None:
        raise PydanticCustomError("rfc3339", "must be a time after RFC 3339, with its offset")
    return value


Moment = Annotated[AwareDatetime, Field(description="RFC 3339 with offset"), BeforeValidator(_rfc3339)]
