import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Module = Callable[[str], Any]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def client(service_module: Module) -> Any:
    return service_module("ebit_shared.client")


async def against(client: Any, serve: Serve, use: Callable[[Any], Awaitable[None]]) -> None:
    served: list[asyncio.Task[Any]] = []

    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        served.append(task)
        await serve(reader, writer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(whole, "127.0.0.1", 0)
    upstream = client.Upstream("bet", server.sockets[0].getsockname()[1])
    try:
        await use(upstream)
    finally:
        upstream.close()
        server.close()
        await asyncio.wait_for(asyncio.gather(*served), 5)


def test_a_connection_is_used_again(client: Any) -> None:
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        with_more = True
        while with_more:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                with_more = False
            else:
                writer.write(OK)

    async def use(upstream: Any) -> None:
        for _ in range(3):
            assert (await upstream.call("GET", "/")).body == b"ok"

    asyncio.run(against(client, serve, use))
    assert len(connections) == 1


def test_a_connection_the_server_closed_is_replaced(client: Any) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)

    async def use(upstream: Any) -> None:
        for _ in range(3):
            assert (await upstream.call("POST", "/", b"{}")).status == 200

    asyncio.run(against(client, serve, use))


def test_silence_is_a_timeout_that_names_the_service(client: Any) -> None:
    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def use(upstream: Any) -> None:
        with pytest.raises(client.UpstreamTimedOutError, match="bet did not answer"):
            await upstream.call("GET", "/", timeout_s=0.05)

    asyncio.run(against(client, serve, use))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"nonsense\r\n\r\n"])
def test_half_an_answer_is_unreachable(client: Any, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async def use(upstream: Any) -> None:
        with pytest.raises(client.UpstreamUnreachableError, match="bet cannot be reached"):
            await upstream.call("GET", "/")

    asyncio.run(against(client, serve, use))
