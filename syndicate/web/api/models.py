"""What the models of the API share; they check requests and tell OpenAPI what answers look like (``*_models.py``)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema

TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$"
Line = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, StringConstraints(pattern=TEXT)]
Email = Annotated[str, StringConstraints(min_length=3, max_length=320, pattern=r"^[^\x00-\x20\x7f]+$")]
Time = Annotated[datetime, WithJsonSchema({"type": "string", "format": "date-time"})]


def _read_time(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a time such as 2026-11-22T08:00:00Z")  # noqa: TRY004 - pydantic collects ValueErrors
    try:
        found = datetime.fromisoformat(value)
        moved = found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("expected a time such as 2026-11-22T08:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2026-11-22T08:00:00Z")
    return moved


GivenTime = Annotated[Time, BeforeValidator(_read_time)]


class Request(BaseModel):
    """What all requests share: nothing unknown, nothing taken for something else."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Answer(BaseModel):
    """What all answers share: every field is always there."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class Fault(Answer):
    where: str
    message: str


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    errors: list[Fault] | None = None
