"""The keys of WebSub: hubs of a feed, networks that callbacks may be in."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from syndicate.config.load import inspect_settings, load_settings
from syndicate.errors import ConfigError

SITE = '[site]\ntitle = "The Harbour Courier"\nurl = "https://courier.example"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("hub", ['"self"', '"https://hub.example/"', '["self", "https://hub.example/x?y=z"]', "[]"])
def test_hubs(tmp_path: Path, hub: str) -> None:
    load_settings(write(tmp_path, f"{SITE}[feed.all]\nhub = {hub}"), {})


@pytest.mark.parametrize("hub", ['"us"', '""', '["self", ""]', '"hub.example"', '"ftp://hub.example/"'])
def test_what_is_no_hub(tmp_path: Path, hub: str) -> None:
    with pytest.raises(ConfigError, match=r"feed\.all\.hub: expected"):
        load_settings(write(tmp_path, f"{SITE}[feed.all]\nhub = {hub}"), {})


def test_networks(tmp_path: Path) -> None:
    text = '[service]\ntrusted_networks = ["10.0.0.0/8", "192.0.2.7", "fd00::/8", "10.1.2.3/16"]'
    service = load_settings(write(tmp_path, text), {}).service
    assert service.networks == tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.7/32", "fd00::/8", "10.1.0.0/16")))


@pytest.mark.parametrize("key", ["trusted_networks", "trusted_proxies"])
@pytest.mark.parametrize("network", ["10.0.0.0/33", "localhost", "", "10.0.0"])
def test_what_is_no_network(tmp_path: Path, network: str, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"service\.{key}: expected networks"):
        load_settings(write(tmp_path, f'[service]\n{key} = ["{network}"]'), {})


@pytest.mark.parametrize(("public_url", "doubted"), [("http://127.0.0.1:8000", True), ("http://10.0.0.7", False)])
def test_hubs_of_others_must_reach_us(tmp_path: Path, public_url: str, doubted: bool) -> None:
    source = '[source.agency]\ntype = "feed"\nurl = "https://agency.example/f"\n'
    text = f'[service]\npublic_url = "{public_url}"\n{source}websub = '
    for value, expected in (("true", doubted), ("false", False)):
        settings, problems = inspect_settings(write(tmp_path, text + value), {})
        assert settings is not None
        assert any("websub" in str(problem) for problem in problems) is expected
    with pytest.raises(ConfigError, match=r"websub"):
        load_settings(write(tmp_path, text + '"often"'), {})
