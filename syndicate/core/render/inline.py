"""The only place that knows premailer: rules of the style block become style attributes, once per edition."""

from __future__ import annotations

import logging
import re

from syndicate.errors import TemplateError

_STYLES = re.compile(r"<style\b.*?</style>", re.DOTALL)


def inline_styles(html: str, name: str) -> str:
    """The page with its styles inlined; blocks marked ``data-premailer="ignore"`` stay. Raises TemplateError.

    No network and no files. Handlebars are not preserved on purpose: to do so premailer un-escapes what stands between
    ``%7B%7B`` and ``%7D%7D`` in attributes, which lets an article's address break out of its quotes.
    """
    if not html.strip():
        raise TemplateError("renders nothing", name=name)
    # Imported late: it brings cssutils and requests, a tenth of what the start of every command costs.
    from premailer import Premailer

    inliner = Premailer(
        html,
        strip_important=False,  # else dark mode and small screens lose against the inlined styles
        disable_basic_attributes=[
            "width",
            "height",
            "bgcolor",
            "align",
            "valign",
        ],  # else they overwrite what Outlook reads
        disable_validation=True,
        allow_network=False,
        allow_loading_external_files=False,
        disable_link_rewrites=True,
        preserve_handlebar_syntax=False,
        align_floating_images=False,
        remove_unset_properties=False,
        cssutils_logging_level=logging.CRITICAL,
    )
    try:
        return _STYLES.sub(_without_indent, str(inliner.transform(pretty_print=False))) + "\n"
    except Exception as error:  # lxml, cssselect and cssutils each have their own
        raise TemplateError(f"no page with styles to inline: {error}", name=name) from error


def _without_indent(styles: re.Match[str]) -> str:
    # Every blank of an indent takes three octets in a mail (quoted_printable.py), in a part that nobody reads.
    return "\n".join(line.strip() for line in styles[0].split("\n"))
