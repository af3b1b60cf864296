"""A service that other machines could call: refused until all is there, then TLS, mutual TLS, and clear failures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from guarded import Authority, add_user
from serving import Service, wait_for

from overscan.client import Client, ServiceError
from overscan.service._errors import AddressError
from overscan.service._settings import Settings
from overscan.service.security.address import choose_address

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="certificates' file modes, and the service's own socket"
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


def public(service: Service) -> str:
    """Where other machines would call."""
    return str(json.loads((service.home / "service.json").read_text())["public"])


@pytest.fixture
def wide(start: Callable[..., Service], tmp_path: Path, authority: Authority) -> Callable[..., Service]:
    """Starts a service on all addresses of this machine, with one artist, whose token is in ``token``."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "token").write_text(add_user(home, "ana", "artist") + "\n")
    (tmp_path / "shots").mkdir()

    def run(*flags: str, days: float = 10) -> Service:
        certificate, key = authority.issue("service", hosts=["localhost", "127.0.0.1"], days=days)
        return start(
            *("--address", "0.0.0.0:0", "--set", f"roots_write=[{json.dumps(str(tmp_path / 'shots'))}]"),
            *("--set", f"tls_certificate={certificate}", "--set", f"tls_key={key}", *flags),
        )

    return run


def test_a_wider_address_needs_tls_users_and_roots_and_says_all_that_is_missing(
    tmp_path: Path, authority: Authority
) -> None:
    home = tmp_path / "home"

    def refusal(listen: str = "0.0.0.0:0", **given: object) -> str:
        with pytest.raises(AddressError) as refused:
            choose_address(settings=Settings(home=home, listen=listen, **given))
        return str(refused.value)

    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.7:50051", "workstation-7:50051"):
        said = refusal(address)
        for word in ("tls_certificate", "tls_key", "overscan users add", "roots_read"):
            assert word in said
    certificate, key = authority.issue("service", hosts=["localhost"])
    files = {"tls_certificate": certificate, "tls_key": key}
    said = refusal(**files)
    assert "tls_key" not in said
    assert "overscan users add" in said
    assert "roots_read" in said
    add_user(home, "ana", "artist")
    said = refusal(**files)
    assert "overscan users add" not in said
    assert "roots_read" in said
    everything = {**files, "roots_read": (tmp_path,)}
    listen = choose_address(settings=Settings(home=home, listen="0.0.0.0:0", **everything))
    assert (listen.tls, listen.private_socket, listen.token) == (True, True, "")
    (home / "users.json").chmod(0o640)
    assert "chmod 600" in refusal(**everything)
    (home / "users.json").chmod(0o600)
    key.chmod(0o644)
    assert "everybody can read" in refusal(**everything)
    key.chmod(0o600)
    other, _ = authority.issue("other", hosts=["localhost"])
    assert "cannot be used" in refusal(**{**everything, "tls_certificate": other})
    ended, its_key = authority.issue("ended", hosts=["localhost"], days=-1)
    assert "has ended" in refusal(**{**everything, "tls_certificate": ended, "tls_key": its_key})
    assert "tls_certificate without tls_key" in refusal("127.0.0.1:0", tls_certificate=certificate)
    assert "tls_client_ca without tls_certificate" in refusal("127.0.0.1:0", tls_client_ca=authority.path)


def test_a_service_that_must_not_listen_there_does_not_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "overscan.service", "--home", str(tmp_path / "home"), "--address", "0.0.0.0:0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78
    assert "roots_read" in done.stderr


def test_clients_call_with_tls_and_a_token_and_failures_are_told_apart(
    wide: Callable[..., Service], tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = wide()
    port = public(service).rpartition(":")[2]
    address = f"https://localhost:{port}"
    monkeypatch.setenv("OVERSCAN_TLS_CA", str(authority.path))
    monkeypatch.setenv("OVERSCAN_TOKEN_FILE", str(tmp_path / "token"))

    def failure(address: str = address) -> tuple[str, str]:
        with pytest.raises(ServiceError) as refusal, Client(address=address, home=tmp_path / "nowhere") as client:
            list(client.list())
        return refusal.value.code, str(refusal.value)

    with Client(address=address) as client:
        assert list(client.list()) == []
    with Client(address=f"localhost:{port}") as client:  # the authority says that TLS is meant
        assert list(client.list()) == []
    assert failure(f"https://127.0.0.2:{port}")[0] == "TLS"
    assert "is not for '127.0.0.2'" in failure(f"https://127.0.0.2:{port}")[1]
    monkeypatch.setenv("OVERSCAN_TLS_CA", str(Authority.make(tmp_path, "stranger").path))
    assert failure()[0] == "TLS"
    assert "signed by nobody" in failure()[1]
    monkeypatch.setenv("OVERSCAN_TLS_CA", str(authority.path))
    monkeypatch.delenv("OVERSCAN_TOKEN_FILE")
    assert failure()[0] == "UNAUTHENTICATED"
    assert "shows no token" in failure()[1]
    monkeypatch.setenv("OVERSCAN_TOKEN", "ovs_wrong")
    assert "is wrong" in failure()[1]
    assert failure("https://localhost:9")[0] == "SERVICE_UNREACHABLE"
    # Whoever runs the service has its own socket, and is its admin.
    found = json.loads((service.home / "service.json").read_text())
    assert found["address"].startswith("unix://")
    assert found["token"] == ""
    with Client(home=service.home, start_private=False) as client:
        assert list(client.list()) == []
    # In the clear, nothing is said at all.
    monkeypatch.delenv("OVERSCAN_TLS_CA")
    assert failure(f"127.0.0.1:{port}")[0] == "SERVICE_UNREACHABLE"
    code, said = failure("192.0.2.7:50051")
    assert code in ("TLS", "SERVICE_UNREACHABLE"), said


def test_a_renewed_certificate_is_taken_without_a_restart(
    wide: Callable[..., Service], authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = wide(days=0.0001)  # 8.6 s
    address = f"https://{public(service).replace('0.0.0.0', 'localhost')}"
    monkeypatch.setenv("OVERSCAN_TLS_CA", str(authority.path))
    monkeypatch.setenv("OVERSCAN_TOKEN_FILE", str(tmp_path / "token"))
    said = ""

    def ended() -> bool:
        nonlocal said
        try:
            with Client(address=address) as client:
                list(client.list())
        except ServiceError as error:
            said = str(error)
        return bool(said)

    wait_for(ended, seconds=15)
    assert "has ended" in said
    time.sleep(0.05)
    authority.issue("service", hosts=["localhost"])
    with Client(address=address) as client:
        assert list(client.list()) == []


def test_mutual_tls_wants_a_certificate_of_the_caller(
    wide: Callable[..., Service], authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = wide("--set", f"tls_client_ca={authority.path}")
    address = f"https://{public(service).replace('0.0.0.0', 'localhost')}"
    monkeypatch.setenv("OVERSCAN_TLS_CA", str(authority.path))
    monkeypatch.setenv("OVERSCAN_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(ServiceError, match="wants a certificate of the caller") as refusal:
        Client(address=address).open()
    assert refusal.value.code == "TLS"
    certificate, key = Authority.make(tmp_path, "stranger").issue("mallory")
    monkeypatch.setenv("OVERSCAN_CLIENT_CERTIFICATE", str(certificate))
    monkeypatch.setenv("OVERSCAN_CLIENT_KEY", str(key))
    with pytest.raises(ServiceError, match="does not take our certificate"):
        Client(address=address).open()
    certificate, key = authority.issue("ana")
    monkeypatch.setenv("OVERSCAN_CLIENT_CERTIFICATE", str(certificate))
    monkeypatch.setenv("OVERSCAN_CLIENT_KEY", str(key))
    with Client(address=address) as client:
        assert list(client.list()) == []
    monkeypatch.delenv("OVERSCAN_TOKEN_FILE")  # a certificate alone is nobody
    with pytest.raises(ServiceError, match="shows no token"), Client(address=address) as client:
        list(client.list())


def test_the_command_says_why_it_does_not_trust_a_service(
    wide: Callable[..., Service], authority: Authority, tmp_path: Path
) -> None:
    service = wide()
    environment = {
        **os.environ,
        "OVERSCAN_HOME": str(tmp_path / "nowhere"),
        "OVERSCAN_ADDRESS": f"https://{public(service).replace('0.0.0.0', 'localhost')}",
        "OVERSCAN_TLS_CA": str(authority.path),
        "OVERSCAN_TOKEN_FILE": str(tmp_path / "token"),
    }
    command = [sys.executable, "-m", "overscan.cli", "jobs", "list", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**environment, "OVERSCAN_TLS_CA": ""}, check=False
    )
    assert done.returncode == 6
    assert '"TLS"' in done.stdout
