"""A deployment of two regions on a real server: what the tests of the HTTP API and the command line start from.

The regions are those of `tests.integration.world`, whose clock stands still. Checkpoints are signed when a test
asks for one, unless it is publishing that is tested.
"""

import base64
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import httpx2
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from openapi_schema_validator import OAS31Validator

from api.app import create_app
from api.deployment.data_folder import Deployment
from api.http import sessions
from api.service.service import Service
from ledger.app.ledger import Ledger
from ledger.app.publisher import CheckpointFile, Publisher
from ledger.crypto import keys
from ledger.crypto.did import did_of
from ledger.crypto.keys import SigningKey
from ledger.crypto.multikey import CredentialKey, TokenKey, save_token_key
from ledger.store.postgres.database import Database
from ledger.tlog import merkle
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from tests.integration.waiting import DEADLINE_SECONDS, eventually
from tests.integration.world import SECRET, World
from tests.support import builders
from tests.support.builders import REGION

OTHER = "442000"
PROBLEM = "application/problem+json"


def wipe(database: Database, *regions: str) -> None:
    """Remove all that is kept of regions, also what projections keep."""
    with database.transaction() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS vault")
        for region in regions or (REGION, OTHER):
            kept = (f"r_{region}_{name}" for name in ("totals", "outgoing"))
            names = [f"r_{region}", *(f"{name}{suffix}" for name in kept for suffix in ("", "_new", "_old"))]
            cursor.execute("".join(f"DROP SCHEMA IF EXISTS {name} CASCADE;" for name in names))
            cursor.execute(f"DROP TABLE IF EXISTS vault.r_{region}")


def place_keys(data: Path, world: World) -> None:
    """Put the keys of the builders where a deployment looks for those of a region, and sign its empty log."""
    folder = data / "keys"
    log_key = builders.signing_key(world.origin)
    keys.save(log_key, folder / f"{world.region}.log")
    keys.save(builders.signing_key(world.authority), folder / f"{world.region}.issuing")
    (folder / f"{world.region}.claims").write_text(SECRET.hex(), encoding="utf-8")
    Publisher(world.database, world.schema, log_key, CheckpointFile(data / "checkpoints" / world.region)).begin()


def place_proof_keys(data: Path, world: World, base: str) -> None:
    """Put the keys that sign a region's proofs where a deployment looks for them, and add them to its log."""
    did = did_of(base, world.region)
    token = TokenKey(ec.derive_private_key(int(world.region), ec.SECP256R1()))
    keys.save(builders.signing_key(did), data / "keys" / f"{world.region}.credential")
    save_token_key(token, data / "keys" / f"{world.region}.token")
    for key, use in ((CredentialKey(builders.signing_key(did)).multikey, "credential"), (token.multikey, "token")):
        world.record(
            "region.credential_key_added/1",
            issuer=world.authority,
            subject=world.authority,
            did=did,
            multikey=key,
            use=use,
        )


@dataclass(frozen=True, slots=True)
class Deployed(Deployment):
    """A deployment whose ledgers are those of given worlds, with their clocks."""

    worlds: Mapping[str, World]

    def ledger(self, region: str) -> Ledger:
        return self.worlds[region].ledger


class Site:
    """Two populated regions, `world` and `other`, and a server over them. A context manager."""

    def __init__(self, data: Path, database: Database, *, proofs: bool = False) -> None:
        """With `proofs` its regions have the keys to issue proofs of service, as issuers at this very address."""
        (data / "keys").mkdir(parents=True, exist_ok=True)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.origin = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.data = data
        self.database = database
        wipe(database)
        self.world, self.other = World(database), World(database, OTHER)
        for world in (self.world, self.other):
            place_keys(data, world)
            world.populate()
            if proofs:
                place_proof_keys(data, world, self.url)
        self.deployment = Deployed(data, database, {world.region: world for world in (self.world, self.other)})
        self._tokens: dict[tuple[str, str, str], str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._listening.fileno() < 0:  # it was entered, and left, before
            host, port = self.origin.split(":")
            self._listening = socket.create_server((host, int(port)))
        with ExitStack() as stack:
            self.service = Service(self.deployment)
            stack.callback(self.service.close)
            self.app = create_app(self.service, self.origin)
            self.app.state.sessions = sessions.Sessions(self.origin, lambda: self.world.now)
            stack.enter_context(serving_app(self.app, self._listening))
            self.http = stack.enter_context(self.client())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def reopen(self) -> Self:
        """The same deployment at the same address, to be entered again: a process that has just begun."""
        self.sign_out()
        return self

    @property
    def url(self) -> str:
        return f"http://{self.origin}"

    def client(self) -> httpx2.Client:
        """A client for which every error is a problem document as the API describes it."""
        hooks: dict[str, list[Callable[..., Any]]] = {"response": [self._check]}
        return httpx2.Client(base_url=self.url, event_hooks=hooks, timeout=DEADLINE_SECONDS)

    def _check(self, answer: httpx2.Response) -> None:
        if answer.status_code >= 400 and answer.request.url.path != "/readyz":
            answer.read()
            self.check_problem(answer.status_code, answer.headers, answer.content)

    def check_problem(self, status: int, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
        """The problem document of an answer; it must be as the API describes it."""
        assert headers["content-type"] == PROBLEM, content
        problem: dict[str, Any] = json.loads(content)
        self._problems.validate(problem)
        assert problem["status"] == status
        return problem

    @cached_property
    def _problems(self) -> OAS31Validator:
        return OAS31Validator(self.app.openapi()["components"]["schemas"]["Problem"])

    # -- asking ---------------------------------------------------------------------------------------

    def path(self, path: str, region: str = REGION) -> str:
        """Below a region, unless the path begins with a slash."""
        return path if path.startswith("/") else f"/v1/regions/{region}/{path}"

    def get(self, path: str, by: str | SigningKey | None = None, region: str = REGION, **query: Any) -> httpx2.Response:
        """Ask, signed in by an issuer's first key or the one given."""
        headers = {} if by is None else self.signed_in(by, region)
        return self.http.get(self.path(path, region), headers=headers, params=query)

    def json(self, path: str, by: str | SigningKey | None = None, region: str = REGION, **query: Any) -> Any:
        """What is answered to somebody who may ask."""
        answer = self.get(path, by, region, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, request: bytes, region: str = REGION, **headers: str) -> httpx2.Response:
        """Submit a request as it is."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(self.path("submissions", region), content=request, headers=named)

    def signed_in(self, by: str | SigningKey, region: str = REGION) -> dict[str, str]:
        """The headers of somebody who is signed in to a region's ledger."""
        key = builders.signing_key(by) if isinstance(by, str) else by
        place = (key.name, key.id, region)
        if place not in self._tokens:
            answer = self.answer(self.challenge(key.name, region), key)
            assert answer.status_code == 201, answer.text
            self._tokens[place] = answer.json()["token"]
        return {"authorization": f"Bearer {self._tokens[place]}"}

    def sign_out(self) -> None:
        """Everybody signs in anew: when the clock was moved, what they were given has ended."""
        self._tokens.clear()

    def challenge(self, issuer: str, region: str = REGION) -> str:
        """The text to sign."""
        answer = self.http.post("/v1/challenges", json={"issuer": issuer, "region": region})
        assert answer.status_code == 201, answer.text
        text: str = answer.json()["text"]
        return text

    def answer(self, text: str, key: SigningKey) -> httpx2.Response:
        """Answer a challenge."""
        return self.send_note(signed(text, key))

    def send_note(self, note: str) -> httpx2.Response:
        with httpx2.Client(base_url=self.url, event_hooks={"response": [self._check]}) as http:  # keeps no cookie
            return http.post("/v1/sessions", json={"note": note})

    # -- the log --------------------------------------------------------------------------------------

    def publish(self, world: World | None = None) -> Checkpoint:
        """Sign a checkpoint now."""
        found = world or self.world
        note = self.service.regions[found.region].publisher.publish()
        return open_checkpoint(note, builders.signing_key(found.origin).verifier)

    def checkpoint(self) -> Checkpoint:
        """The checkpoint that is served, verified."""
        note = self.get(f"/log/{REGION}/checkpoint").text
        return open_checkpoint(note, builders.signing_key(self.world.origin).verifier)

    def tile(self, path: str) -> bytes:
        answer = self.get(f"/log/{REGION}/tile/{path}")
        assert answer.status_code == 200, answer.text
        return answer.content

    # -- operations -----------------------------------------------------------------------------------

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric; 0 when nothing was counted yet."""
        return metric(self.get("/metrics").text, name, **labels)

    @contextmanager
    def nothing_written(self) -> Iterator[None]:
        """Neither region changes meanwhile: not a row of any table, private ones included."""
        with self.world.unchanged(), self.other.unchanged():
            yield


def metric(page: str, name: str, **labels: str) -> float:
    """The value of a metric on a page of them."""
    wanted = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    start = f"{name}{{{wanted}}} " if wanted else f"{name} "
    return next((float(line.removeprefix(start)) for line in page.splitlines() if line.startswith(start)), 0.0)


@contextmanager
def serving_app(app: Any, listening: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()


def signed(text: str, *signers: SigningKey) -> str:
    """A note of the text, written here once more."""
    values = [(key, bytes.fromhex(key.id) + key.sign(text.encode())) for key in signers]
    return text + "\n" + "".join(f"— {key.name} {base64.b64encode(value).decode()}\n" for key, value in values)


def revoke(world: World, name: str, **changes: Any) -> None:
    """Revoke an organisation's first key."""
    key_id = builders.signing_key(name).id
    world.record("organisation.key_revoked/1", subject=name, key_id=key_id, suspect_from=0, **changes)


# -- raw requests -------------------------------------------------------------------------------------


class Wire:
    """A connection on which a test says, byte for byte, what it wants. A context manager."""

    def __init__(self, site: Site) -> None:
        host, port = site.origin.split(":")
        self._site = site
        self._socket = socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def begin(self, *headers: str, path: str = f"/v1/regions/{REGION}/submissions") -> None:
        """The head of a POST request."""
        self.send("\r\n".join([f"POST {path} HTTP/1.1", f"host: {self._site.origin}", *headers, "", ""]).encode())

    def chunk(self, data: bytes) -> None:
        """A piece of a body that is sent chunked; an empty one ends it."""
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def flood(self, limit: int) -> int:
        """Send chunks until the server hangs up, at most `limit` bytes; how many were sent."""
        sent, piece = 0, b" " * 65_536
        try:
            while sent < limit:
                self.chunk(piece)
                sent += len(piece)
        except OSError:
            pass
        return sent

    def read(self) -> bytes:
        """What the server says until it hangs up."""
        said = b""
        try:
            while data := self._socket.recv(65_536):
                said += data
        except ConnectionResetError:  # it hung up on what was still on its way
            pass
        return said

    def problem(self) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers and problem document of the answer after which the server hangs up."""
        head, _, content = self.read().partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        status = int(first.split()[1])
        return status, headers, self._site.check_problem(status, headers, content)


# -- the tree, from what anyone can fetch ---------------------------------------------------------------


def tile_name(level: int | str, index: int, width: int) -> str:
    """The path of a tile below /tile/, for logs of less than 256,000 entries."""
    return f"{level}/{index:03}" + (f".p/{width}" if width < 256 else "")


def fetch_tree(tile: Callable[[str], bytes], size: int) -> list[bytes]:
    """The leaf hashes of a tree of `size`, from its tiles; those of higher levels must follow from them."""
    levels: list[list[bytes]] = []
    level = 0
    while count := size >> 8 * level:
        hashes = []
        for index in range(-(-count // 256)):
            width = min(256, count - 256 * index)
            data = tile(tile_name(level, index, width))
            assert len(data) == 32 * width
            hashes += [data[at : at + 32] for at in range(0, len(data), 32)]
        levels.append(hashes)
        level += 1
    for below, above in itertools.pairwise(levels):
        full = [below[at : at + 256] for at in range(0, len(below) - 255, 256)]
        assert above == [merkle.tree_root(part) for part in full]
    return levels[0] if levels else []


def fetch_entries(tile: Callable[[str], bytes], size: int) -> list[bytes]:
    """The entries of a log of `size`, from its bundles."""
    entries = []
    for index in range(-(-size // 256)):
        data = tile(tile_name("entries", index, min(256, size - 256 * index)))
        while data:
            length = int.from_bytes(data[:2], "big")
            entries.append(data[2 : 2 + length])
            data = data[2 + length :]
    return entries


def unbase64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
