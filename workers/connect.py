"""The Temporal client, made in one place."""

from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import GrpcCompression

from workers.codec import ring
from workers.converter import converter
from workers.settings import Settings
from workflows.model.failure import Code, PermanentError


async def connect(settings: Settings, *, lazy: bool = False) -> Client:
    """A client of the Temporal server; a `lazy` one connects when first used. Certificates and keys are Temporal's
    own settings (`TEMPORAL_TLS_...`, `TEMPORAL_API_KEY`, or a profile in temporal.toml), as every tool of Temporal
    reads them.

    Raises:
        PermanentError: UNREACHABLE, with the address, where it came from and what to do; CONFIGURATION, for settings
            of Temporal's own that cannot be read.
    """
    secured = _secured() if settings.secured else ClientConnectConfig()
    try:
        return await Client.connect(
            settings.temporal_address,
            namespace=settings.namespace,
            lazy=lazy,
            tls=secured.get("tls"),
            api_key=secured.get("api_key"),
            rpc_metadata=secured.get("rpc_metadata", {}),
            data_converter=converter(ring()),
            runtime=_quiet_runtime(),
            # Payloads are small and the server is near: compressing costs milliseconds on every step.
            grpc_compression=GrpcCompression.NONE,
        )
    except RuntimeError as error:
        raise PermanentError(
            Code.UNREACHABLE,
            f"Temporal does not answer at {settings.temporal_address} (from {settings.origin}).",
            "Start it (for a trial: `seawall lab up`), or set SEAWALL_TEMPORAL_ADDRESS to where it listens. For one "
            "that wants TLS or a key, set TEMPORAL_TLS_... or TEMPORAL_API_KEY.",
        ) from error


def _secured() -> ClientConnectConfig:
    try:
        return ClientConfig.load_client_connect_config()
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise PermanentError(
            Code.CONFIGURATION,
            # The first line alone: the next ones quote the file, in which there may be a key.
            f"Temporal's own settings cannot be read: {str(error).splitlines()[0][:200]}.",
            "Look at the TEMPORAL_... variables and at temporal.toml; `temporal config list` shows them.",
        ) from None


def _quiet_runtime() -> Runtime:
    """The SDK's core logs at WARN what we report ourselves; errors only."""
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(TelemetryFilter("ERROR", "ERROR"))))
