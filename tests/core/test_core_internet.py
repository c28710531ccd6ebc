"""Which addresses are somebody's on the Internet: every form and every disguise of a private one is refused."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.internet import is_public, is_within, literal_address, port_allowed

PRIVATE_4 = [
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "255.255.255.255/32",
    )
]
private_4 = st.sampled_from(PRIVATE_4).flatmap(lambda block: st.ip_addresses(network=block)).map(IPv4Address)


@given(private_4)
def test_no_private_address_is_public(address: IPv4Address) -> None:
    assert not is_public(address)


@given(
    private_4,
    st.sampled_from(
        [
            "::ffff:{}",
            "::{}",
            "64:ff9b::{}",
            "::ffff:0:{}",
            "fe80::5efe:{}",
            "2001:4860::5efe:{}",
            "2001:4860::200:5efe:{}",
            "64:ff9b:1::{}",
        ]
    ),
)
def test_nor_is_one_inside_an_ipv6_address(address: IPv4Address, form: str) -> None:
    assert not is_public(IPv6Address(form.format(address)))


@given(private_4)
def test_nor_is_one_behind_6to4_or_teredo(address: IPv4Address) -> None:
    assert not is_public(IPv6Address((0x2002 << 112) | (int(address) << 80)))
    assert not is_public(IPv6Address((0x20010000 << 96) | (int(address) ^ 0xFFFFFFFF)))


@pytest.mark.parametrize(
    "block", ["::/128", "::1/128", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "2001:db8::/32", "100::/64"]
)
def test_private_networks_of_ipv6(block: str) -> None:
    network = ip_network(block)
    assert not is_public(network[0])
    assert not is_public(network[-1])


@pytest.mark.parametrize("scoped", ["2001:4860:4860::8888%eth0", "fe80::1%1"])
def test_an_address_with_a_zone_is_of_this_machine(scoped: str) -> None:
    assert not is_public(IPv6Address(scoped))


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "93.184.215.14",
        "2001:4860:4860::8888",
        "64:ff9b::8.8.8.8",
        "::ffff:8.8.8.8",
        "2a00:1450:4001:810::200e",
    ],
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_networks_that_are_trusted() -> None:
    networks = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    assert is_within(ip_address("10.1.2.3"), networks)
    assert is_within(ip_address("::ffff:10.1.2.3"), networks)
    assert is_within(ip_address("fd12::1"), networks)
    assert not is_within(ip_address("11.0.0.1"), networks)
    assert not is_within(ip_address("10.1.2.3"), [])


def test_what_a_host_spells() -> None:
    assert literal_address("[::1]") == IPv6Address("::1")
    assert literal_address("127.0.0.1") == IPv4Address("127.0.0.1")
    assert literal_address("courier.example") is None
    assert literal_address("2130706433") is None  # the resolver reads it; what it gives is looked at then


@pytest.mark.parametrize(
    ("port", "allowed"),
    [
        (80, True),
        (443, True),
        (8080, True),
        (1024, True),
        (65535, True),
        (25, False),
        (22, False),
        (1023, False),
        (0, False),
        (65536, False),
    ],
)
def test_ports(port: int, allowed: bool) -> None:
    assert port_allowed(port) is allowed
