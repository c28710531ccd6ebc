"""The sockets of the web part: taken addresses are told before anything starts, and nothing is said too early."""

from __future__ import annotations

import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
from publisher import Publisher

from syndicate.errors import SyndicateError
from syndicate.service.listening import listen


def test_every_address_of_a_name_is_listened_on() -> None:
    (opened,) = listen("127.0.0.1", 0)
    with opened:
        assert opened.getsockname()[0] == "127.0.0.1"
        with socket.create_connection(opened.getsockname(), timeout=5):
            pass
    many = listen("localhost", 0)
    assert many
    for each in many:
        each.close()


def test_an_address_that_is_taken_or_is_none_names_the_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SyndicateError, match=rf"cannot listen on 127\.0\.0\.1:{port}: address already in use.*"):
            listen("127.0.0.1", port)
    with pytest.raises(SyndicateError, match=r"service\.listen"):
        listen("nowhere.invalid", 8000)
    with pytest.raises(SyndicateError, match="cannot assign requested address"):
        listen("192.0.2.1", 8000)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


@pytest.mark.parametrize("command", ["run", "web"])
def test_a_taken_port_ends_the_service_with_one_line(publisher: Publisher, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        publisher.port = other.getsockname()[1]
        told = publisher.write().run(command, status=1)
    assert f"syndicate: cannot listen on 127.0.0.1:{publisher.port}: address already in use" in told
    assert "serving" not in told


def test_serving_is_said_when_it_is_true(publisher: Publisher) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        publisher.port = probe.getsockname()[1]
    publisher.write()
    process = publisher.start("web")
    try:
        assert process.stderr is not None
        line = ""
        while "serving" not in line:
            line = process.stderr.readline()
            assert line, "ended without serving"
        with urllib.request.urlopen(f"http://127.0.0.1:{publisher.port}/healthz", timeout=30) as answer:
            assert answer.status == 200
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
