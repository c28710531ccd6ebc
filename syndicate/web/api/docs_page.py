"""``/api/docs``: the OpenAPI document as one plain page, without a script and without anything of others."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any

from syndicate.web.api.problems import KINDS

_METHODS = ("get", "post", "put", "patch", "delete")


def docs_page(schema: Mapping[str, Any], stylesheet: str) -> str:
    """The page of a document; ``stylesheet`` is the address of our own style sheet."""
    info = schema["info"]
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{_text(info["title"])}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<link rel="stylesheet" href="{_text(stylesheet)}"></head><body><main>',
        f"<h1>{_text(info['title'])}</h1><p>{_text(info['description'])}</p>",
        '<p><a href="openapi.json">OpenAPI document</a></p><h2>Operations</h2>',
    ]
    for path, methods in schema["paths"].items():
        for method in _METHODS:
            if method in methods:
                parts.extend(_operation(path, method, methods[method]))
    parts.append("<h2>Problems</h2><dl>")
    parts.extend(
        f'<dt id="{_text(kind.code)}"><code>{_text(kind.code)}</code> ({kind.status})</dt><dd>{_text(kind.title)}</dd>'
        for kind in KINDS
    )
    parts.append("</dl><h2>Schemas</h2>")
    for name, model in sorted(schema["components"]["schemas"].items()):
        parts.append(f'<h3 id="schema-{_text(name)}">{_text(name)}</h3>')
        parts.append(f"<pre>{_text(json.dumps(model, indent=1, ensure_ascii=False))}</pre>")
    parts.append("</main></body></html>")
    return "\n".join(parts)


def _operation(path: str, method: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield f'<section><h3 id="{_text(found["operationId"])}"><code>{method.upper()} {_text(path)}</code></h3>'
    yield f"<p>{_text(found.get('description', ''))}</p>"
    scopes = [scope for need in found.get("security", []) for each in need.values() for scope in each]
    if scopes:
        yield f"<p>Scopes: {', '.join(f'<code>{_text(scope)}</code>' for scope in scopes)}</p>"
    parameters = found.get("parameters", [])
    if parameters:
        yield "<ul>"
        for each in parameters:
            need = ", required" if each.get("required") else ""
            about = _text(each.get("description", ""))
            yield f"<li><code>{_text(each['name'])}</code> ({each['in']}{need}) {about}</li>"
        yield "</ul>"
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        yield f"<p>Body: {_link(body)}</p>"
    yield "<ul>"
    for status, answer in found["responses"].items():
        contents = list(answer.get("content", {}).values())
        content = contents[0].get("schema", {}) if contents else {}
        yield f"<li><code>{_text(status)}</code> {_text(answer['description'])} {_link(content)}</li>"
    yield "</ul></section>"


def _link(schema: Mapping[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return f'<a href="#schema-{_text(name)}">{_text(name)}</a>' if name else ""


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
