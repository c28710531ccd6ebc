"""What all sections of config.toml share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def later(default: Any, issue: str, description: str, *, seen: bool = False) -> Any:
    """A key that does nothing until the named part of the product is built.

    It is accepted with a warning; with ``seen``, readers would see the difference, so a value is an error until then.
    """
    return Field(default=default, description=description, json_schema_extra={"later": issue, "seen": seen})


def _no_truth(value: Any) -> Any:
    # Python counts True as 1, and so does pydantic.
    if isinstance(value, bool):
        raise ValueError("expected a whole number")  # noqa: TRY004 - pydantic collects ValueErrors only
    return value


Whole = Annotated[int, BeforeValidator(_no_truth)]


class Section(BaseModel):
    """What all sections share: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, populate_by_name=True)
