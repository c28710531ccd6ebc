"""``dkim``: makes the keys that sign mail, and prints the DNS records that go with them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicate.cli.context import Invocation, JsonOption, example, invocation
from syndicate.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syndicate.core.dkim.keys import DkimKey

FOLDER = Path("keys")


class Kind(StrEnum):
    """What ``--type`` takes."""

    RSA = "rsa"
    ED25519 = "ed25519"


def register(app: typer.Typer) -> None:
    """Add the group ``dkim``."""
    group = typer.Typer(no_args_is_help=True, help="Keys that sign mail (DKIM).", rich_markup_mode=None)
    group.command(
        "new",
        epilog=example("syndicate dkim new", "syndicate dkim new s2027", "syndicate dkim new e2027 --type ed25519"),
    )(new)
    group.command("show", epilog=example("syndicate dkim show", "syndicate dkim show s2027 --json"))(show)
    app.add_typer(group, name="dkim")


def new(
    ctx: typer.Context,
    selector: Annotated[
        str | None, typer.Argument(metavar="[SELECTOR]", help="Its name; default: a pair, s and e with the year.")
    ] = None,
    kind: Annotated[
        Kind, typer.Option("--type", help="RSA (2048 bits), which every receiver knows, or Ed25519.")
    ] = Kind.RSA,
    as_json: JsonOption = False,
) -> None:
    """Make a private key, or without SELECTOR one of each type, and print the DNS records. Nothing is replaced.

    A key goes into the file that [dkim] keys names, else into keys/SELECTOR.pem beside the configuration.
    """
    from syndicate.io.dkim_keys import make_key

    call = invocation(ctx, as_json)
    settings = call.settings
    if not (settings.dkim.domain or settings.delivery.from_ or settings.site.url):
        raise UsageError("no domain to sign for: set delivery.from, or dkim.domain")
    files = settings.dkim.keys
    wanted = {_checked(selector): kind} if selector is not None else _pair(call)
    places = {name: files.get(name, FOLDER / f"{name}.pem") for name in wanted}
    made = [make_key(name, settings.path(places[name]), wanted[name].value) for name in wanted]
    after = {name: path for name, path in places.items() if name not in files}
    line = _config_line({**files, **after}) if after else None
    _print(call, made, places, signing=frozenset(), config=line)
    for key in made:
        call.output.note(f"{settings.path(places[key.selector])}: a new {_called(key)}")
    if line:
        call.output.note("publish the records first; then `syndicate doctor` sees them, and under [dkim] this signs:")
        call.output.note(f"  {line}")
        if files:
            call.output.note("the first key of each type signs: move the new one to the front when its record is there")


def show(
    ctx: typer.Context,
    selectors: Annotated[
        list[str] | None, typer.Argument(metavar="[SELECTOR]...", help="Only these of [dkim] keys.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the DNS records of the configured keys, as lines of a zone file, and say which of the keys sign."""
    from syndicate.core.dkim.keys import signing_keys
    from syndicate.io.dkim_keys import load_keys

    call = invocation(ctx, as_json)
    files = call.settings.dkim.keys
    for name in selectors or ():
        if name not in files:
            raise UnknownNameError(f"there is no key {name!r} in dkim.keys; there is: {', '.join(files) or 'none'}")
    keys = load_keys(files, call.settings.base)
    signing = frozenset(key.selector for key in signing_keys(keys))
    _print(call, [key for key in keys if not selectors or key.selector in selectors], files, signing=signing)
    if not files:
        call.output.note("there are no [dkim] keys: nothing is signed here; `syndicate dkim new` makes some")


def _print(
    call: Invocation,
    keys: Sequence[DkimKey],
    files: Mapping[str, Path],
    *,
    signing: frozenset[str],
    config: str | None = None,
) -> None:
    from syndicate.core.addresses import parse_address
    from syndicate.core.dkim.keys import record_name, txt_strings, zone_line

    domain = parse_address(f"postmaster@{call.settings.signing_domain}").domain
    shown: list[dict[str, Any]] = [
        {
            "selector": key.selector,
            "type": key.kind,
            "bits": key.bits,
            "file": call.settings.path(files[key.selector]),
            "signs": key.selector in signing,
            "name": record_name(key.selector, domain),
            "record": key.record,
            "strings": txt_strings(key.record),
        }
        for key in keys
    ]
    document: dict[str, Any] = {"domain": domain, "keys": shown}
    call.output.document(document | {"config": config} if config else document)
    for key, entry in zip(keys, shown, strict=True):
        call.output.text(f"; {_called(key)}{', signs' if entry['signs'] else ''}")
        call.output.text(zone_line(entry["name"], key.record))


def _called(key: DkimKey) -> str:
    return f"RSA key of {key.bits} bits" if key.kind == "rsa" else "Ed25519 key"


def _checked(name: str) -> str:
    from syndicate.config.values import selector

    try:
        return selector(name)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _pair(call: Invocation) -> dict[str, Kind]:
    """Names for a key of each type by the year; when they are taken, with a letter behind."""
    year = call.now().year
    for letter in ("", *"bcdefghijklmnopqrstuvwxyz"):
        names = {f"s{year}{letter}": Kind.RSA, f"e{year}{letter}": Kind.ED25519}
        files = call.settings.dkim.keys
        if not any(name in files or call.settings.path(FOLDER / f"{name}.pem").exists() for name in names):
            return names
    raise UsageError("every name for this year is taken; give a SELECTOR")


def _config_line(files: Mapping[str, Path]) -> str:
    pairs = ", ".join(f'{_toml_key(name)} = "{path}"' for name, path in files.items())
    return f"keys = {{ {pairs} }}"


def _toml_key(name: str) -> str:
    return f'"{name}"' if "." in name else name
