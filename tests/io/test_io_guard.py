"""The guard against real servers: private addresses in any form, redirects, bombs, drips, names that change."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smtp_server import Authority
from web_servers import Answer, Received, WebServer

from syndicate.errors import FetchError, RefusedAddressError
from syndicate.io.guard import Limits, fetch, session

LOCAL = Limits(seconds=5, networks=(ip_network("127.0.0.0/8"),))


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer(lambda request: Answer(body=b"hello", headers={"etag": '"1"'})) as running:
        yield running


def spelled(number: int, form: str) -> str:
    parts = [number >> 24, number >> 16 & 255, number >> 8 & 255, number & 255]
    return {
        "dotted": ".".join(map(str, parts)),
        "decimal": str(number),
        "hexadecimal": hex(number),
        "octal": f"0{number:o}",
        "dotted octal": ".".join(f"0{part:o}" for part in parts),
        "dotted hexadecimal": ".".join(hex(part) for part in parts),
        "mixed": f"{parts[0]}.{hex(parts[1])}.{number & 0xFFFF}",
        "two parts": f"{parts[0]}.{number & 0xFFFFFF}",
        "mapped": f"[::ffff:{'.'.join(map(str, parts))}]",
        "mapped hexadecimal": f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]",
        "compatible": f"[::{'.'.join(map(str, parts))}]",
        "nat64": f"[64:ff9b::{'.'.join(map(str, parts))}]",
        "trailing dot": f"{'.'.join(map(str, parts))}.",
        "full width": "".join(chr(ord(letter) + 0xFEE0) for letter in ".".join(map(str, parts))),
        "circled": ".".join("".join("⓪①②③④⑤⑥⑦⑧⑨"[int(digit)] for digit in str(part)) for part in parts),
    }[form]


FORMS = ["dotted", "decimal", "hexadecimal", "octal", "dotted octal", "dotted hexadecimal", "mixed", "two parts", "mapped", "mapped hexadecimal", "compatible", "nat64", "trailing dot", "full width", "circled"]  # fmt: skip
private = st.one_of(
    *(
        st.ip_addresses(network=block).map(int)
        for block in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "0.0.0.0/8")
    )
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=private, form=st.sampled_from(FORMS))
def test_a_private_address_is_refused_in_any_form(server: WebServer, number: int, form: str) -> None:
    before = len(server.received)
    with pytest.raises(FetchError) as caught:
        fetch(f"http://{spelled(number, form)}:{server.port}/", limits=Limits(seconds=5))
    # Either it is understood and refused, or it is no host at all; never asked, never tried.
    assert (
        isinstance(caught.value, RefusedAddressError)
        or "no such host" in str(caught.value)
        or "invalid" in str(caught.value).lower()
    )
    assert len(server.received) == before


@pytest.mark.parametrize("form", ["dotted", "decimal", "hexadecimal", "octal", "mapped"])
def test_the_forms_above_do_lead_to_the_server_when_they_are_allowed(server: WebServer, form: str) -> None:
    url = f"http://{spelled(0x7F000001, form)}:{server.port}/"
    assert fetch(url, limits=Limits(seconds=5, allow_private=True)).body == b"hello"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "[::]", "0", "127.1"])  # noqa: S104 - to be refused
def test_names_of_this_machine_are_refused(server: WebServer, host: str) -> None:
    with pytest.raises(RefusedAddressError):
        fetch(f"http://{host}:{server.port}/", limits=Limits(seconds=5))
    assert server.received == []


@pytest.mark.parametrize("url", ["ftp://courier.example/x", "file:///etc/passwd", "gopher://127.0.0.1/", "//courier.example/", "courier.example", "http://", "http:///x", "", "http://[::1", "http://a b/", "http://\x00/", "http://" + "a" * 300 + ".example/"])  # fmt: skip
def test_what_is_no_web_address_is_an_error(url: str) -> None:
    with pytest.raises(FetchError):
        fetch(url, limits=Limits(seconds=5))


@settings(max_examples=100)
@given(st.text(max_size=40))
def test_any_text_is_an_answer_or_an_error_of_ours(text: str) -> None:
    with pytest.raises(FetchError):
        fetch(f"http://127.0.0.1:1/{text}" if text.isascii() else f"file://{text}", limits=Limits(seconds=2))


def test_an_answer_of_any_status(server: WebServer) -> None:
    server.answer = lambda request: Answer(status=404, body=b"none")
    found = fetch(server.url + "/x?a=b", headers={"If-None-Match": '"1"'}, limits=LOCAL)
    assert (found.status, found.body, found.url, found.permanent_url) == (
        404,
        b"none",
        server.url + "/x?a=b",
        server.url + "/x?a=b",
    )
    (request,) = server.received
    assert request.path == "/x?a=b"
    assert request.headers["if-none-match"] == '"1"'
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.headers["user-agent"].startswith("Syndicate/")


def test_headers_are_found_in_any_case(server: WebServer) -> None:
    assert fetch(server.url, limits=LOCAL).headers["ETag"] == '"1"'


def test_redirects_are_followed_and_the_permanent_ones_remembered(server: WebServer) -> None:
    steps = {"/1": (301, "/2"), "/2": (308, "3"), "/3": (302, "/4"), "/4": (301, "/5")}

    def answer(request: Received) -> Answer:
        status, target = steps.get(request.path, (200, ""))
        return Answer(status=status, headers={"location": target} if target else {}, body=request.path.encode())

    server.answer = answer
    found = fetch(server.url + "/1", limits=LOCAL)
    assert (found.body, found.url, found.permanent_url) == (b"/5", server.url + "/5", server.url + "/3")


def test_redirects_without_end_are_an_error(server: WebServer) -> None:
    server.answer = lambda request: Answer(status=302, headers={"location": request.path + "x"})
    with pytest.raises(FetchError, match="more than 5 redirects"):
        fetch(server.url + "/", limits=LOCAL)
    assert len(server.received) == 6


@pytest.mark.parametrize("target", ["http://127.0.0.2:{port}/", "http://10.0.0.1/", "http://[::ffff:127.0.0.2]:{port}/", "//127.2:{port}/", "file:///etc/passwd", "http://169.254.169.254/latest/meta-data/"])  # fmt: skip
def test_a_redirect_is_checked_anew(server: WebServer, target: str) -> None:
    server.answer = lambda request: Answer(status=302, headers={"location": target.format(port=server.port)})
    only_this = Limits(seconds=5, networks=(ip_network("127.0.0.1/32"),))
    with pytest.raises(FetchError):
        fetch(server.url + "/", limits=only_this)
    assert len(server.received) == 1


def test_what_is_for_one_host_is_not_carried_to_another(server: WebServer) -> None:
    with WebServer(lambda request: Answer(body=b"there")) as other:
        server.answer = lambda request: Answer(status=302, headers={"location": other.url + "/y"})
        sent = {"Authorization": "Basic x", "If-None-Match": '"1"', "Accept": "application/rss+xml"}
        assert fetch(server.url, headers=sent, limits=LOCAL).body == b"there"
        assert {"authorization", "if-none-match"} & set(other.received[0].headers) == set()
        assert other.received[0].headers["accept"] == "application/rss+xml"
        assert other.received[0].headers["host"] == f"127.0.0.1:{other.port}"


def test_a_post_is_not_redirected(server: WebServer) -> None:
    server.answer = lambda request: Answer(status=307, headers={"location": "/y"})
    assert fetch(server.url, method="POST", content=b"x", limits=LOCAL).status == 307
    assert len(server.received) == 1


def test_the_address_that_was_checked_is_the_one_that_is_asked(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A name server that gives a public address first and 127.0.0.1 to whoever asks again.
    asked: list[str] = []
    real: Callable[..., Any] = socket.getaddrinfo

    def rebinding(host: Any, *rest: Any, **options: Any) -> Any:
        if host != "rebind.example":
            return real(host, *rest, **options)
        asked.append(host)
        return real("192.88.99.7" if len(asked) == 1 else "127.0.0.1", *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(FetchError):
        fetch(f"http://rebind.example:{server.port}/", limits=Limits(seconds=1))
    assert server.received == []
    assert asked == ["rebind.example"]


def test_a_host_with_a_public_and_a_private_address_is_refused(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **options: real("8.8.8.8", *rest, **options) + real("127.0.0.1", *rest, **options),
    )
    with pytest.raises(RefusedAddressError, match=r"127\.0\.0\.1"):
        fetch(f"http://both.example:{server.port}/", limits=Limits(seconds=5))
    assert server.received == []


def test_a_name_server_that_does_not_answer_costs_the_limit_only(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(60))
    began = time.monotonic()
    with pytest.raises(FetchError, match="name server"):
        fetch("http://slow.example/", limits=Limits(seconds=0.5))
    assert time.monotonic() - began < 20
    release.set()


def test_ports_of_other_services_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **options: real("8.8.8.8", *rest, **options))
    with pytest.raises(RefusedAddressError, match="port 25"):
        fetch("http://mail.example:25/", limits=Limits(seconds=5))


@pytest.mark.parametrize("drip", [{"wait": 30.0}, {"drip": 0.05, "body": b"x" * 1000}])
def test_a_slow_answer_costs_the_limit_only(server: WebServer, drip: dict[str, Any]) -> None:
    server.answer = lambda request: Answer(**drip)
    began = time.monotonic()
    with pytest.raises(FetchError, match=r"within 0\.7 s|time for the exchange"):
        fetch(server.url, limits=Limits(seconds=0.7, allow_private=True))
    assert time.monotonic() - began < 20


def test_a_server_that_says_nothing_in_tls_costs_the_limit_only(server: WebServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(FetchError):
            fetch(f"https://127.0.0.1:{silent.getsockname()[1]}/", limits=Limits(seconds=0.7, allow_private=True))
        assert time.monotonic() - began < 20


def test_redirects_share_one_limit_of_time(server: WebServer) -> None:
    server.answer = lambda request: Answer(status=302, headers={"location": request.path + "x"}, wait=0.3)
    with pytest.raises(FetchError):
        fetch(server.url + "/", limits=Limits(seconds=0.7, allow_private=True))
    assert len(server.received) <= 3


SMALL = Limits(seconds=10, body_bytes=1000, allow_private=True)
BOMB = gzip.compress(bytes(50_000_000), 9)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"x" * 1001),
        Answer(body=b"x" * 1001, headers={"transfer-encoding": "identity"}),
        Answer(body=BOMB, headers={"content-encoding": "gzip"}),
        Answer(body=zlib.compress(bytes(50_000_000), 9), headers={"content-encoding": "deflate"}),
        Answer(body=gzip.compress(BOMB), headers={"content-encoding": "gzip, gzip"}),
        Answer(body=b"x", length=10**12),
    ],
)
def test_what_is_too_large_is_an_error(server: WebServer, answer: Answer) -> None:
    server.answer = lambda request: answer
    with pytest.raises(FetchError):
        fetch(server.url, limits=SMALL)


def test_or_is_cut_where_that_is_wanted(server: WebServer) -> None:
    server.answer = lambda request: Answer(body=BOMB, headers={"content-encoding": "gzip"})
    found = fetch(server.url, limits=Limits(seconds=10, body_bytes=1000, cut=True, allow_private=True))
    assert (found.status, found.body) == (200, bytes(1000))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=3000), way=st.sampled_from(["", "gzip", "zlib", "raw", "members"]))
def test_what_was_compressed_comes_out_whole(server: WebServer, body: bytes, way: str) -> None:
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "": body,
        "gzip": gzip.compress(body),
        "zlib": zlib.compress(body),
        "raw": raw.compress(body) + raw.flush(),
        "members": gzip.compress(body[:7]) + gzip.compress(body[7:]),
    }[way]
    encoding = {"": "", "gzip": "gzip", "members": "x-gzip"}.get(way, "deflate")
    server.answer = lambda request: Answer(body=packed, headers={"content-encoding": encoding} if encoding else {})
    assert fetch(server.url, limits=Limits(seconds=5, allow_private=True)).body == body


@pytest.mark.parametrize("answer", [Answer(body=b"no gzip", headers={"content-encoding": "gzip"}), Answer(body=gzip.compress(b"x" * 5000)[:-20], headers={"content-encoding": "gzip"}), Answer(body=b"x", headers={"content-encoding": "br"}), Answer(close=True), Answer(body=b"half", length=8)])  # fmt: skip
def test_what_is_damaged_is_an_error(server: WebServer, answer: Answer) -> None:
    server.answer = lambda request: answer
    with pytest.raises(FetchError):
        fetch(server.url, limits=LOCAL)


def test_a_session_keeps_its_connection(server: WebServer) -> None:
    with session(LOCAL) as guarded:
        for _ in range(3):
            guarded.fetch(server.url, method="POST", content=b"x")
    assert len({request.connection for request in server.received}) == 1


def test_certificates_are_checked_against_the_name() -> None:
    authority = Authority()
    trusting = trusting_context(authority)
    with WebServer(lambda request: Answer(body=b"secret"), context=authority.server()) as server:
        good = Limits(seconds=5, allow_private=True, context=trusting)
        assert fetch(server.url, limits=good).body == b"secret"
        with pytest.raises(FetchError, match=r"(?i)certificate"):
            fetch(server.url, limits=Limits(seconds=5, allow_private=True))
        with pytest.raises(FetchError, match=r"(?i)certificate|hostname"):
            fetch(f"https://localhost:{server.port}/", limits=good)


def trusting_context(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority._authority.configure_trust(context)
    return context
