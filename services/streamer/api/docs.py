"""/docs: the API's reference as a plain page, made from the OpenAPI document.

No script, and nothing from elsewhere: it works offline, under the page's own strict policy.
"""

from html import escape
from typing import Any, cast

from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
body { color: #222; background: #fff; }
h2 { margin-top: 2.5rem; }
code { font-family: ui-monospace, monospace; }
summary { cursor: pointer; padding: .4rem 0; }
.method { display: inline-block; width: 4.5rem; font-weight: 700; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616; } a { color: #9cf; } }
"""
_METHODS = ("get", "post", "put", "patch", "delete")


class DocsPage(OpenAPIRenderPlugin):
    """Every operation with its parameters, its body and its answers; then every type."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        return page_of(openapi_schema).encode()


def page_of(document: dict[str, Any]) -> str:
    title = escape(document["info"]["title"])
    operations = "".join(
        _operation(method, path, item[method])
        for path, item in sorted(document["paths"].items())
        for method in _METHODS
        if method in item
    )
    types = "".join(_type(name, schema) for name, schema in sorted(_schemas(document).items()))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title} API</title>'
        f"<style>{STYLE}</style>"
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="/favicon.svg">'
        f"<h1>{title} API {escape(document['info']['version'])}</h1>"
        f"<p>{escape(document['info'].get('description') or '')} "
        f'The same for programs: <a href="/docs/openapi.json">openapi.json</a></p>'
        f"<h2>Operations</h2>{operations}<h2>Types</h2>{types}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{escape(parameter['name'])}</code> ({escape(parameter['in'])}"
        f"{', required' if parameter.get('required') else ''}): {_kind(parameter.get('schema', {}))}</li>"
        for parameter in operation.get("parameters") or ()
    )
    body = _content(operation.get("requestBody") or {})
    answers = "".join(
        f"<li>{status}: {escape(answer.get('description') or '')} {_content(answer)}</li>"
        for status, answer in sorted(operation["responses"].items())
    )
    return (
        f'<details><summary><span class="method">{method.upper()}</span><code>{escape(path)}</code> '
        f"{escape(operation.get('summary') or '')}</summary>"
        f"{f'<p>Parameters</p><ul>{parameters}</ul>' if parameters else ''}"
        f"{f'<p>Body: {body}</p>' if body else ''}<p>Answers</p><ul>{answers}</ul></details>"
    )


def _type(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required") or ()
    fields = "".join(
        f"<li><code>{escape(field)}</code>{'' if field in required else ' (optional)'}: {_kind(kind)}</li>"
        for field, kind in schema.get("properties", {}).items()
    )
    described = escape(schema.get("description") or "")
    return (
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<p>{described}</p><ul>{fields}</ul></details>"
    )


def _content(holder: dict[str, Any]) -> str:
    contents = cast("dict[str, dict[str, Any]]", holder.get("content") or {})
    kinds = (_kind(content.get("schema") or {}) for content in contents.values())
    return ", ".join(kind for kind in kinds if kind)


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words, with links to the types it names."""
    if reference := schema.get("$ref"):
        name = escape(str(reference).rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if alternatives := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(_kind(one) for one in cast("list[dict[str, Any]]", alternatives))
    if possible := schema.get("enum"):
        return " | ".join(escape(str(value)) for value in cast("list[Any]", possible))
    if items := schema.get("items"):
        return f"list of {_kind(items)}"
    return escape(str(schema.get("format") or schema.get("type") or ""))


def _schemas(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return document.get("components", {}).get("schemas", {})
