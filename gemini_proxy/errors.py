"""The one exception that means "tell the client no"."""

from collections.abc import Mapping


class ProxyError(Exception):
    """A refusal or failure that a client must hear about, as data; each dialect says it in its own form.

    `code` is a stable word for programs, `message` a sentence that tells a person what to do, `param` the place in
    the request that is wrong. `retry` says whether the same
    request can succeed later (`None`: the status decides), `retry_after` in how many seconds. `headers` go to the
    client as they are (`Allow`, `WWW-Authenticate`). `here` is what else to say to somebody at this machine, such as a
    command with its path.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry: bool | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        here: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry = retry
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.here = here

    @property
    def text_here(self) -> str:
        """The message for somebody at this machine."""
        return f"{self.message} {self.here}".rstrip()

    def told_here(self) -> "ProxyError":
        """The same with the message for somebody at this machine."""
        return ProxyError(
            self.status,
            self.code,
            self.text_here,
            param=self.param,
            retry=self.retry,
            retry_after=self.retry_after,
            headers=self.headers,
        )


def bad_request(message: str, param: str | None, code: str = "invalid_value") -> ProxyError:
    """The error for a request that is wrong at `param`, the place in the client's own JSON."""
    return ProxyError(400, code, message, param=param, retry=False)


class Unreadable(Exception):
    """An event of Google's that is not what it should be; the stream goes on without it.

    `lost` says that it may have held a piece of the answer, which then cannot have a good end any more.
    """

    def __init__(self, message: str, *, lost: bool = False) -> None:
        super().__init__(message)
        self.lost = lost
