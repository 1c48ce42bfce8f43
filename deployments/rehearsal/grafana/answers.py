"""Bodies of Grafana's JSON answers, and the one exception that becomes such an answer."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


class ApiError(Exception):
    """An answer other than 200, raised where the reason is found.

    Args:
        status: HTTP status.
        body: The JSON body, as the contracts in ../shared/contracts/grafana have it.
    """

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


async def answer_api_error(_: Request, error: Exception) -> Response:
    """Turn an `ApiError` into its answer (the application's exception handler)."""
    if not isinstance(error, ApiError):
        raise error
    return JSONResponse(error.body, status_code=error.status)


def plain(status: int, message: str) -> ApiError:
    """An error with message and trace id only, e.g. `Dashboard not found`."""
    return ApiError(status, {"message": message, "traceID": ""})


def coded(status: int, message_id: str, message: str) -> ApiError:
    """An error of Grafana's newer kind, with `messageId` and `statusCode`."""
    return ApiError(status, {"message": message, "messageId": message_id, "statusCode": status, "traceID": ""})


def bad_request_data() -> ApiError:
    """The answer to a body that does not parse into the expected types."""
    return plain(400, "bad request data")


async def read_object(request: Request) -> dict[str, Json]:
    """The request's body as a JSON object.

    Raises:
        ApiError: 400 when it is not a JSON object.
    """
    try:
        body = await request.json()
    except ValueError as problem:
        raise bad_request_data() from problem
    if not isinstance(body, dict):
        raise bad_request_data()
    return body
