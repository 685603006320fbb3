"""Which addresses a page on all addresses prints, in a network namespace with interfaces made for it."""

import shutil
import subprocess
import sys

import pytest

from edge.sinks.interfaces import addresses_to_open

BOARD = (("eth0", "10.0.0.7/24"), ("l4tbr0", "192.168.55.1/24"), ("docker0", "172.17.0.1/16"), ("wlan0", None))
"""Wired, USB device mode, a bridge of containers, and wireless without a connection."""


def in_namespace(*commands):
    program = ["unshare", "--map-root-user", "--net", "sh", "-ec", "\n".join(commands)]
    return subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def namespace():
    if not (shutil.which("unshare") and shutil.which("ip")) or in_namespace("ip link add eth0 type bridge").returncode:
        pytest.skip("no permission for a network namespace, or no iproute2")
    return in_namespace


def addresses(host):
    code = f"from edge.sinks.interfaces import addresses_to_open as a; print(*a({host!r}))"
    return f'{sys.executable} -c "{code}"'


def test_all_addresses_means_those_of_every_interface_but_bridges_of_containers(namespace):
    make = ["ip link set lo up"]
    for name, address in BOARD:
        make.append(f"ip link add {name} type bridge; ip link set {name} up")
        make += [f"ip addr add {address} dev {name}"] if address else []
    make += [f"ip addr add {address} nodad" for address in ("fd12::7/64 dev eth0", "fd17::1/64 dev docker0")]
    done = namespace(*make, addresses("0.0.0.0"), addresses("::"))
    assert done.stdout.splitlines() == ["10.0.0.7 192.168.55.1", "10.0.0.7 192.168.55.1 fd12::7"], done.stderr


def test_without_a_network_only_this_machine_is_left(namespace):
    assert namespace(addresses("0.0.0.0")).stdout == "localhost\n"


@pytest.mark.parametrize("host", ["10.0.0.7", "::1", "board.local"])
def test_a_given_host_is_printed_as_it_is(host):
    assert addresses_to_open(host) == [host]
