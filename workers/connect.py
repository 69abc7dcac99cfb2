"""The Temporal client, made in one place."""

from temporalio.client import Client
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import GrpcCompression

from workers.converter import DATA_CONVERTER
from workers.settings import Settings
from workflows.model.failure import Code, PermanentError


async def connect(settings: Settings) -> Client:
    """A client of the Temporal server.

    Raises:
        PermanentError: UNREACHABLE, with the address, where it came from and what to do.
    """
    try:
        return await Client.connect(
            settings.temporal_address,
            namespace=settings.namespace,
            data_converter=DATA_CONVERTER,
            runtime=_quiet_runtime(),
            # Payloads are small and the server is near: compressing costs milliseconds on every step.
            grpc_compression=GrpcCompression.NONE,
        )
    except RuntimeError as error:
        raise PermanentError(
            Code.UNREACHABLE,
            f"Temporal does not answer at {settings.temporal_address} (from {settings.origin}).",
            "Start it (for a trial: `seawall lab up`), or set SEAWALL_TEMPORAL_ADDRESS to where it listens.",
        ) from error


def _quiet_runtime() -> Runtime:
    """The SDK's core logs at WARN what we report ourselves; errors only."""
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(TelemetryFilter("ERROR", "ERROR"))))
