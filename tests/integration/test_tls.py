"""A Temporal server behind mutual TLS, reached by Temporal's own settings."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from workers.connect import connect
from workers.settings import read_settings
from workflows.model.failure import Code, PermanentError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl on this machine")


class Papers:
    """An authority, and what it has signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._openssl("req", "-x509", "-subj", "/CN=authority", *self._fresh("ca"), "-out", self.path("ca.pem"))
        for name in ("server", "client"):
            self._sign(name)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def _fresh(self, name: str) -> list[str]:
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        return [*kind, "-keyout", self.path(f"{name}.key")]

    def _sign(self, name: str) -> None:
        request, extensions = self.path(f"{name}.csr"), self.folder / f"{name}.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        self._openssl("req", "-subj", f"/CN={name}", *self._fresh(name), "-out", request)
        authority = ["-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"), "-CAcreateserial"]
        signed = ["-extfile", str(extensions), "-out", self.path(f"{name}.pem")]
        self._openssl("x509", "-req", "-in", request, *authority, *signed)

    @staticmethod
    def _openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(temporal: WorkflowEnvironment, papers: Papers) -> AsyncIterator[str]:
    """Where the server listens to those who show a certificate of the authority."""
    host, _, port = temporal.client.service_client.config.target_host.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers.path("server.pem"), papers.path("server.key"))
    context.load_verify_locations(papers.path("ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, ahead = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_pump(reader, ahead), _pump(behind, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))


@pytest.mark.asyncio(loop_scope="session")
async def test_certificates_are_found_as_temporal_names_them(
    guarded: str, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAWALL_TEMPORAL_ADDRESS", guarded)
    with pytest.raises(PermanentError, match="does not answer") as caught:
        await connect(read_settings())
    assert "TEMPORAL_TLS_" in caught.value.next_step
    monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", papers.path("ca.pem"))
    with pytest.raises(PermanentError, match="does not answer"):
        await connect(read_settings())
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", papers.path("client.pem"))
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_KEY_PATH", papers.path("client.key"))
    client = await connect(read_settings())
    assert await client.service_client.check_health()


async def test_settings_that_cannot_be_read_are_told_without_the_key_in_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.default]\napi_key = "not-for-anybody\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    monkeypatch.setenv("SEAWALL_TEMPORAL_ADDRESS", "127.0.0.1:1")
    with pytest.raises(PermanentError) as caught:
        await connect(read_settings())
    assert caught.value.code is Code.CONFIGURATION
    assert "not-for-anybody" not in f"{caught.value} {caught.value.sentence} {caught.value.next_step}"


def test_a_lab_is_reached_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEAWALL_TEMPORAL_ADDRESS", raising=False)
    assert not read_settings().secured
