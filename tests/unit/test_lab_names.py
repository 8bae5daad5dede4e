"""What a lab is called and which addresses it has."""

from ipaddress import IPv4Network

import pytest

from hedgerow.errors import CallError
from hedgerow.targets.lab.names import (
    LabSpec,
    assign_addresses,
    check_names,
    choose_subnet,
    network,
    short_name,
)

ALL = ("edge", "app", "data")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("demo", "demo"),
        ("twelve-chars", "twelve-chars"),
        ("thirteen-char", "thirt-3adc6c"),
        ("thirteen-chat", "thirt-34d5fc"),
    ],
)
def test_short_names_fit_and_differ(name: str, expected: str) -> None:
    assert short_name(name) == expected
    assert len(network(name, IPv4Network("10.77.0.0/24")).bridge) <= 15


def test_a_network_has_the_controller_first_and_the_stranger_far_away() -> None:
    net = network("demo", IPv4Network("10.77.3.0/24"))
    assert (net.bridge, net.table) == ("hg-demo", "hedgerow_lab_demo")
    assert (net.controller, net.stranger) == ("10.77.3.1", "10.77.3.250")


@pytest.mark.parametrize(
    ("declared", "taken", "expected"),
    [
        (None, [], "10.77.0.0/24"),
        (None, ["192.0.2.0/24"], "10.77.0.0/24"),
        (None, ["10.77.0.0/24", "10.77.1.128/25"], "10.77.2.0/24"),
        (None, ["0.0.0.0/0"], "10.77.0.0/24"),
        ("198.51.100.0/24", ["10.77.0.0/24"], "198.51.100.0/24"),
    ],
)
def test_a_free_network_is_found(declared: str | None, taken: list[str], expected: str) -> None:
    assert choose_subnet(declared, [IPv4Network(text) for text in taken]) == IPv4Network(expected)


@pytest.mark.parametrize(
    ("declared", "taken", "message"),
    [
        ("198.51.100.0/24", ["198.51.100.128/25"], "198.51.100.0/24 is in use on this controller"),
        ("198.51.100.0/16", [], "has host bits set"),
        ("198.51.0.0/16", [], "is not a /24"),
        ("nonsense", [], "nonsense"),
        (None, ["10.0.0.0/8"], "no free network"),
    ],
)
def test_a_network_that_cannot_be_is_refused_with_a_fix(declared: str | None, taken: list[str], message: str) -> None:
    with pytest.raises(CallError, match=message) as raised:
        choose_subnet(declared, [IPv4Network(text) for text in taken])
    assert raised.value.fix


@pytest.mark.parametrize(
    ("wanted", "recorded", "expected"),
    [
        ([], {}, {}),
        (["a", "b"], {}, {"a": "10.77.0.11", "b": "10.77.0.12"}),
        (["a", "b"], {"b": "10.77.0.11"}, {"a": "10.77.0.12", "b": "10.77.0.11"}),
        (["b"], {"a": "10.77.0.11", "b": "10.77.0.12"}, {"b": "10.77.0.12"}),
        (["b", "c"], {"a": "10.77.0.11", "b": "10.77.0.12"}, {"b": "10.77.0.12", "c": "10.77.0.11"}),
    ],
)
def test_hosts_keep_their_addresses(wanted: list[str], recorded: dict[str, str], expected: dict[str, str]) -> None:
    assert assign_addresses(IPv4Network("10.77.0.0/24"), wanted, recorded) == expected


def test_a_full_network_is_refused() -> None:
    with pytest.raises(CallError, match="is full"):
        assign_addresses(IPv4Network("10.77.0.0/24"), [f"h{number}" for number in range(240)], {})


@pytest.mark.parametrize(
    ("name", "hosts", "message"),
    [
        ("../etc", ["a"], "cannot name a lab's deployment"),
        ("demo", ["Ana"], "cannot name a lab's host"),
        ("demo", ["-a"], "cannot name a lab's host"),
        ("demo", ["a" * 41], "cannot name a lab's host"),
        ("demo", ["a", "b", "a"], "two hosts of the lab are called a"),
    ],
)
def test_names_that_would_lead_elsewhere_are_refused(name: str, hosts: list[str], message: str) -> None:
    with pytest.raises(CallError, match=message):
        check_names(name, LabSpec(tuple((host, ALL) for host in hosts)))


def test_good_names_pass() -> None:
    check_names("demo", LabSpec((("demo-1", ALL), ("2", ("data",)))))
    check_names("demo", None)
