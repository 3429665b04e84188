"""A connection to a Temporal service for callers that are no coroutines, and its troubles as errors of ours."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from checkpointflow.config import Settings
from checkpointflow.engines.temporal.address import Address
from checkpointflow.errors import CheckpointflowError, MissingExtraError, StoreUnavailable, UsageError

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.runtime import Runtime
    from temporalio.service import RPCError

T = TypeVar("T")

CONNECT_SECONDS = 10.0
"""How long a service may take to be reached: nothing is known of it yet, its address may be wrong."""
RPC = timedelta(seconds=30)
"""How long a service that was reached may take for one answer: one that is busy, or moves, is slow and not gone."""


def require_temporalio() -> None:
    """Refuse to go on without the extra.

    Raises:
        MissingExtraError: `temporalio` is not installed.
    """
    try:
        import temporalio.client  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "runs on Temporal need the package `temporalio`, which is not installed; "
            "say `pip install 'checkpointflow[temporal]'`"
        ) from None


async def connected(address: Address, settings: Settings) -> Client:
    """Return a client of the service; large values are kept in the state folder, unless the address names another.

    Raises:
        MissingExtraError: `temporalio` is not installed.
        UsageError: what the environment says of keys and certificates cannot be used.
        StoreUnavailable: the service does not answer, or has no such namespace.
    """
    require_temporalio()
    from temporalio.client import Client as TemporalClient
    from temporalio.service import RPCError

    from checkpointflow.engines.temporal.conversion import converter

    options = _credentials(settings.environment)
    values = converter(address.blobs or settings.home / "temporal-values")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            client = await TemporalClient.connect(
                address.target, namespace=address.namespace, data_converter=values, runtime=_runtime(), **options
            )
            await _check_namespace(client)
    except RPCError as error:
        raise unavailable(address, error) from None
    except (TimeoutError, RuntimeError, OSError, ValueError) as error:
        raise _unreachable(address, _reason(error)) from None
    return client


@cache
def _runtime() -> Runtime:
    """Return what the client's native part runs in; what that has to say goes to the logger `temporalio`."""
    from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

    logger = logging.getLogger("temporalio.core")
    logger.addHandler(logging.NullHandler())  # nothing is shown unless somebody listens
    forwarding = LogForwardingConfig(
        logger, append_target_to_name=False, prepend_target_on_message=False, append_log_fields_to_message=False
    )
    told = LoggingConfig(TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding)
    return Runtime(telemetry=TelemetryConfig(logging=told))


def _credentials(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the key and the certificates that a connection is opened with.

    They come from the variables of Temporal's own clients, as `TEMPORAL_API_KEY`, and from their file if one names it.

    Raises:
        UsageError: they cannot be used.
    """
    from temporalio.envconfig import ClientConfigProfile

    names_file = any(environment.get(name) for name in ("TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE"))
    try:
        profile = ClientConfigProfile.load(override_env_vars=environment, disable_file=not names_file)
        found = dict(profile.to_client_connect_config())
    except (RuntimeError, OSError, ValueError) as error:
        raise UsageError(f"the variables `TEMPORAL_…` cannot be used: {_reason(error)}; mend or unset them") from None
    return {name: value for name, value in found.items() if name not in ("target_host", "namespace")}


async def _check_namespace(client: Client) -> None:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

    await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace), retry=False)


class Connection:
    """A client that is called from one thread, call by call, on an event loop of its own."""

    def __init__(self, address: Address, settings: Settings) -> None:
        self.address = address
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None

    def call(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """Return what a coroutine over the client returns.

        Raises:
            StoreUnavailable: the service does not answer.
            RPCError: it answers that something cannot be done.
        """
        require_temporalio()
        from temporalio.service import RPCError

        try:
            return self._run(work)
        except RPCError as error:
            if is_trouble(error):
                raise unavailable(self.address, error) from None
            raise

    def _run(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        if self._client is None:
            self._client = self._loop.run_until_complete(connected(self.address, self._settings))
        return self._loop.run_until_complete(work(self._client))

    def close(self) -> None:
        """Leave the service."""
        if self._loop is not None:
            loop, self._loop, self._client = self._loop, None, None
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


def is_trouble(error: RPCError) -> bool:
    """Tell whether an error is about the service, and not about what it was asked."""
    from temporalio.service import RPCStatusCode as Code

    return error.status in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.UNAUTHENTICATED,
                            Code.PERMISSION_DENIED, Code.RESOURCE_EXHAUSTED, Code.INTERNAL)  # fmt: skip


def unavailable(address: Address, error: RPCError) -> CheckpointflowError:
    """Return what is said of a service that does not do as it should."""
    from temporalio.service import RPCStatusCode as Code

    if error.status == Code.NOT_FOUND:
        return StoreUnavailable(
            f"the Temporal service at `{address.target}` has no namespace `{address.namespace}`; "
            "make it, or name another in the engine's address"
        )
    return _unreachable(address, _reason(error))


def _unreachable(address: Address, why: str) -> StoreUnavailable:
    rest = f" ({why})" if why else ""
    return StoreUnavailable(
        f"the Temporal service at `{address.target}` does not answer{rest}; start it, or mend the engine's address"
    )


def _reason(error: BaseException) -> str:
    """Return what a reader can do something with: the innermost message, where the text is nested by its library."""
    text = (str(error).splitlines() or [""])[0].strip()
    innermost = re.findall(r'message: "([^"]+)"', text)
    return str(innermost[-1] if innermost else text)[:200]
