"""Jinja2 as we use it: sandboxed, strict, over a mapping of texts; every fault becomes a TemplateError with its place.

Steps and texts have an end (``bounds.py``); templates of strangers are tried in a process of their own before
(``io/template_trial.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import BaseLoader, BytecodeCache, Environment, StrictUndefined, TemplateNotFound, TemplateSyntaxError
from jinja2.bccache import Bucket

from syndicate.core.render.bounds import BoundedEnvironment, bounded_text
from syndicate.core.render.filters import filters_for
from syndicate.core.render.slot_rules import slot_misuse
from syndicate.core.render.words import Word, read_catalogues, words_for
from syndicate.errors import TemplateError

# Mails that go out before a reader has consented hold nothing of a reader.
_WITHOUT_SLOTS = "mails/"
# A page is rendered for the one who asks for it: what is a slot elsewhere is a text there.
PAGES = "pages/"
_CONSOLE = "admin/"  # and these are the operators' own


class TemplateSet:
    """All template texts by name (``digest/digest.html``, ``mails/confirm.txt``, ``words/en.toml``), compiled once.

    Make one when the texts are read; it may be shared between threads. Raises TemplateError for broken words.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)
        self.catalogues = read_catalogues(texts)
        self._code = _MemoryCache()
        self._checked: set[tuple[str, str]] = set()

    def words(self, language: str | None, site_language: str | None = None) -> dict[str, Word]:
        """The fixed words for a language; see ``words_for``."""
        return words_for(self.catalogues, language, site_language)

    def renderer(
        self, context: Mapping[str, Any], *, language: str, zone: ZoneInfo, extra: Mapping[str, str] | None = None
    ) -> Callable[[str], str]:
        """A function that renders templates by name with one context, which macros and includes see too.

        ``extra`` adds texts that stand elsewhere, such as the subject of the configuration. It raises TemplateError.
        """
        environment = self._environment({**self.texts, **(extra or {})})
        environment.filters.update(filters_for(language, zone))
        environment.globals.update(context)

        def render(name: str) -> str:
            try:
                environment.begin()
                return bounded_text(environment.get_template(name).generate())
            except TemplateError:
                raise
            except Exception as error:
                raise as_template_error(error, name, environment.loader) from error

        return render

    def misuse(self, name: str, text: str) -> list[tuple[int, str]]:
        """Every fault that shows without rendering: syntax, and what is forbidden with slots, as (line, what)."""
        try:
            tree = self._environment({name: text}).parse(text, name)
        except TemplateSyntaxError as error:
            return [(error.lineno, error.message or "syntax error")]
        if name.startswith((PAGES, _CONSOLE)):
            return []
        return slot_misuse(tree, allowed=not name.startswith(_WITHOUT_SLOTS))

    def _environment(self, texts: Mapping[str, str]) -> BoundedEnvironment:
        # One environment per edition costs 0.1 ms (compiled code is shared); so language and zone need no global state.
        environment = BoundedEnvironment(
            loader=_Texts(texts, self._check),
            autoescape=_escapes,
            undefined=StrictUndefined,
            finalize=_nothing_for_none,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            bytecode_cache=self._code,
        )
        # Filters must be known when a template compiles; their values are bound per edition.
        environment.filters.update(filters_for("en", ZoneInfo("UTC")))
        return environment

    def _check(self, name: str, text: str) -> None:
        if (name, text) in self._checked:
            return
        for line, what in self.misuse(name, text):
            raise TemplateError(what, name=name, line=line)
        self._checked.add((name, text))


def as_template_error(error: Exception, name: str, loader: BaseLoader | None) -> TemplateError:
    """The place in a template that an exception came from: the innermost frame that belongs to one."""
    if isinstance(error, TemplateSyntaxError):
        return TemplateError(error.message or "syntax error", name=error.name or name, line=error.lineno)
    line = None
    names = loader.texts if isinstance(loader, _Texts) else {}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in names:
            name, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, TemplateNotFound):
        return TemplateError(f"there is no template {error.message!r}", name=name, line=line)
    if isinstance(error, RecursionError):
        return TemplateError("includes or calls itself without end", name=name, line=line)
    if isinstance(error, MemoryError):
        return TemplateError("takes more memory than it may", name=name, line=line)
    return TemplateError(str(error) or type(error).__name__, name=name, line=line)


class _Texts(BaseLoader):
    """Templates from a mapping; the file name in tracebacks is the template's name. What it loads was checked."""

    def __init__(self, texts: Mapping[str, str], check: Callable[[str, str], None]) -> None:
        self.texts = texts
        self._check = check

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:  # noqa: ARG002 - Jinja's signature
        if template not in self.texts:
            raise TemplateNotFound(template)
        text = self.texts[template]
        self._check(template, text)
        return text, template, lambda: True

    def list_templates(self) -> list[str]:
        return sorted(self.texts)


class _MemoryCache(BytecodeCache):
    """Compiled templates, shared by the environments of all editions."""

    def __init__(self) -> None:
        self._codes: dict[str, Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        # The key is made of the name, the checksum of the text.
        bucket.code = self._codes.get(bucket.key + bucket.checksum)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key + bucket.checksum] = bucket.code


def _escapes(name: str | None) -> bool:
    return bool(name) and str(name).endswith(".html")


def _nothing_for_none(value: Any) -> Any:
    return "" if value is None else value
