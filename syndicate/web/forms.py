"""Reads the forms of our pages and of one-click requests: urlencoded or multipart, texts only, small."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

_FIELDS = 300  # more than all topics of a digest


class Form:
    """The fields of a form. A field that is missing or a file counts as not given."""

    def __init__(self, data: FormData) -> None:
        self._data = data

    @classmethod
    def empty(cls) -> Form:
        """A form before anything was filled in."""
        return cls(FormData())

    def text(self, name: str) -> str | None:
        """The last value of a field."""
        values = self.texts(name)
        return values[-1] if values else None

    def texts(self, name: str) -> tuple[str, ...]:
        """All values of a field, as check boxes send them."""
        return tuple(value for value in self._data.getlist(name) if isinstance(value, str))


async def read_form(request: Request) -> Form:
    """The form of a request; one without a body, or of another type, is empty. Raises HTTPException 400 and 413."""
    await request.body()  # also what is no form counts against the limit
    try:
        async with request.form(max_files=0, max_fields=_FIELDS, max_part_size=65_536) as data:
            return Form(data)
    except (UnicodeDecodeError, ValueError) as error:
        raise HTTPException(400) from error
