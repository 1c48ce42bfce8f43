"""The two servers in one process: moto, patched, and the image registry."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from deployments.rehearsal.cloud import addresses, console, costs, networking, quotas, repositories, tags
from deployments.rehearsal.cloud.blobs import Blobs
from deployments.rehearsal.cloud.registry import Registry
from deployments.rehearsal.cloud.repositories import Repositories
from deployments.rehearsal.cloud.tokens import Tokens

HOST = "127.0.0.1"


class _RegistryHandler(WSGIRequestHandler):
    """Sends an answer's body at once; else it waits 40 ms for the client to acknowledge the head."""

    disable_nagle_algorithm = True


class _AwsHandler(MotoRequestHandler):
    """As the registry's."""

    disable_nagle_algorithm = True


class PortTakenError(RuntimeError):
    """A port cannot be listened on."""


@contextmanager
def serve(port: int, registry_port: int, account_id: str, data: Path) -> Iterator[None]:
    """Serve the AWS API and the image registry while the context is open.

    moto is patched for the whole process, so that a process opens this once.

    Args:
        port: Port of the AWS API.
        registry_port: Port of the image registry.
        account_id: The account that every request belongs to; 12 digits.
        data: Folder of the registry's blobs.

    Raises:
        PortTakenError: One of the ports cannot be listened on.
        MotoChangedError: The installed moto lacks what is patched.
        ValueError: An environment variable that replaces a quota holds no number.
    """
    os.environ["MOTO_ACCOUNT_ID"] = account_id  # read by moto at every request
    # werkzeug logs each request; Terraform makes hundreds.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    tokens = Tokens()
    registry = Registry(Repositories(account_id), Blobs(data), tokens)
    for patch in (addresses, console, costs, networking, quotas, tags):
        patch.install()
    repositories.install(f"{HOST}:{registry_port}", tokens, registry.forget_unused_blobs)
    with ExitStack() as stack:
        stack.enter_context(_serving(registry_port, registry, _RegistryHandler))
        stack.enter_context(_serving(port, DomainDispatcherApplication(create_backend_app), _AwsHandler))
        yield


@contextmanager
def _serving(port: int, application: Callable[..., Any], handler: type[WSGIRequestHandler]) -> Iterator[None]:
    server = _listen(port, application, handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _listen(port: int, application: Callable[..., Any], handler: type[WSGIRequestHandler]) -> BaseWSGIServer:
    try:
        return make_server(HOST, port, application, threaded=True, request_handler=handler)
    except (OSError, SystemExit) as error:  # werkzeug exits when a port is taken
        raise PortTakenError(
            f"port {port} of {HOST} cannot be listened on; choose another one or stop what uses it"
        ) from error
