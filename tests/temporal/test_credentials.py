"""A service behind TLS: doors and workers take keys and certificates from the variables of Temporal's own clients."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from temporal.service import Service

CERTIFICATE = Path(__file__).with_name("behind_tls.pem")
GATE = (
    "schema_version: checkpointflow/v1\nworkflow:\n  id: flow\n  inputs: {}\n"
    "  steps:\n    - {id: last, kind: end, result: done}\n"
)


class Encrypted:
    """What stands before a service and speaks TLS with its clients."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATE)
        self._context.set_alpn_protocols(["h2"])
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._threads = [self._begun(self._accept)]

    def close(self) -> None:
        for one in (self._server, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _begun(self, target: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=args)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                client = self._context.wrap_socket(self._server.accept()[0], server_side=True)
            except ssl.SSLError:
                continue  # it speaks no TLS
            except OSError:
                return
            service = socket.create_connection(("127.0.0.1", self._behind))
            self._open += [client, service]
            self._threads += [self._begun(self._pump, client, service), self._begun(self._pump, service, client)]

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def behind(service: Service) -> Iterator[str]:
    """The address of the service behind TLS."""
    encrypted = Encrypted(service.server.port)
    yield service.url.replace(f"127.0.0.1:{service.server.port}", f"localhost:{encrypted.port}")
    encrypted.close()


@pytest.mark.parametrize("more", [{"TEMPORAL_TLS": "true"}, {"TEMPORAL_API_KEY": "a-key"}])
def test_doors_and_workers_reach_a_service_behind_tls(service: Service, behind: str, more: dict[str, str]) -> None:
    service.write("gate.yaml", GATE)
    secure = {"CPF_ENGINE": behind, "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(CERTIFICATE), **more}
    with service.worker(**secure):
        assert service.cpf("run", "-f", "gate.yaml", **secure)["result"] == "done"


def test_a_service_behind_tls_does_not_answer_who_speaks_none(service: Service, behind: str) -> None:
    refused = service.cpf("runs", CPF_ENGINE=behind)
    assert (refused["exit_code"], refused["error"]["code"]) == (60, "ERR_STORE_UNAVAILABLE")


def test_credentials_that_cannot_be_used_are_said_in_one_sentence(service: Service, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    for more in ({"TEMPORAL_TLS_SERVER_CA_CERT_PATH": missing}, {"TEMPORAL_CONFIG_FILE": str(tmp_path)}):
        refused = service.cpf("runs", **more)
        assert (refused["exit_code"], refused["error"]["code"]) == (10, "ERR_USAGE")
        assert "the variables `TEMPORAL_…` cannot be used: " in refused["error"]["message"]
