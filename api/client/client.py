"""The HTTP client that the command line uses: submit, sign in, read."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Final, Self
from urllib.parse import quote, urlsplit

import httpx2

from api.client.sign_in import answer_challenge
from ledger.crypto.keys import SigningKey
from ledger.errors import Invalid, LedgerError, Rejected, Unavailable

_TIMEOUT: Final = httpx2.Timeout(120, connect=10)


class Told(Rejected):
    """A server answered with a problem document."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title")))
        self.code = str(problem.get("type", "")).rpartition(":")[2] or "http"
        self.problem = problem

    @property
    def nothing_written(self) -> bool:
        """Whether the answer means that the ledger took nothing: not so for a conflict or a server's fault."""
        status = self.problem.get("status", 500)
        return isinstance(status, int) and 400 <= status < 500 and status != 409


class Client:
    """Speaks to one server. Raises Told for its refusals, Unavailable when it is out of reach."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise Invalid(f"the address of a server begins with http:// or https://, and {url!r:.80} does not")
        self._origin = urlsplit(url).netloc
        self._http = httpx2.Client(base_url=url.rstrip("/"), timeout=_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def send(self, region: str, request: bytes) -> tuple[bytes, bool]:
        """Send a sealed request; the answer's bytes, and whether the events were not there before."""
        answer = self._send("POST", f"/v1/regions/{quote(region)}/submissions", content=request)
        return answer.content, answer.status_code == 201

    def sign_in(self, key: SigningKey, region: str) -> None:
        """Open a session as the key's name; compares that the challenge is this server's."""
        asked = self._send("POST", "/v1/challenges", json={"issuer": key.name, "region": region}).json()
        note = answer_challenge(asked["text"], key, self._origin)
        token = self._send("POST", "/v1/sessions", json={"note": note}).json()["token"]
        self._http.headers["authorization"] = f"Bearer {token}"

    def region(self, region: str) -> dict[str, Any]:
        """Name, origin, log key and size of a region."""
        found: dict[str, Any] = self._send("GET", f"/v1/regions/{quote(region)}").json()
        return found

    def get(self, path: str, **query: str | int) -> Any:
        """A JSON document."""
        return self._send("GET", path, params=query).json()

    def post(self, path: str, **members: Any) -> Any:
        """The JSON document that answers a JSON document."""
        return self._send("POST", path, json=members).json()

    def data(self, path: str) -> bytes:
        """A file."""
        return self._send("GET", path).content

    def save(self, path: str, file: IO[bytes], told: Callable[[int], None]) -> None:
        """Write a file as it arrives; `told` hears how many bytes each piece had."""
        try:
            with self._http.stream("GET", path) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                for piece in answer.iter_bytes():
                    file.write(piece)
                    told(len(piece))
        except httpx2.HTTPError as error:
            raise Unavailable(f"{self._origin} is out of reach: {error}") from None

    def text(self, path: str) -> str:
        """A text, such as a receipt or a checkpoint."""
        return self._send("GET", path).text

    def _send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx2.HTTPError as error:
            raise Unavailable(f"{self._origin} is out of reach: {error}") from None
        if answer.is_success:
            return answer
        raise _refusal(answer)


def _refusal(answer: httpx2.Response) -> LedgerError:
    try:
        problem = answer.json()
        assert isinstance(problem, dict)
    except (ValueError, AssertionError):
        problem = {"title": f"HTTP {answer.status_code}", "status": answer.status_code}
    if answer.status_code in (429, 502, 503, 504):
        return Unavailable(str(problem.get("detail") or problem.get("title")))
    return Told(problem)
