"""The scripts of the pages, called under Node.js as if they were functions of ours."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from api.pages import rendering
from tests.support import oracles

_RUNNER: Final = Path(__file__).with_name("modules.mjs")
_SECONDS_MAX: Final = 60

Answer = Mapping[str, Any]
"""One of `value`, `invalid`, `untrusted`, or `broken` for what a module must never do."""


def call(module: str, name: str, *arguments: Any, then: tuple[Any, ...] = ()) -> dict[str, Any]:
    """One call; `then` names a method of what it gives, and that method's arguments."""
    found: dict[str, Any] = {"module": module, "name": name, "arguments": list(arguments)}
    return {**found, "then": {"name": then[0], "arguments": list(then[1:])}} if then else found


def data(value: bytes) -> dict[str, str]:
    """Bytes, as calls and answers have them."""
    return {"hex": value.hex()}


def run(calls: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """The answers to all calls, in one process of Node.js."""
    node = oracles.require("node")
    with tempfile.TemporaryDirectory() as text:
        # Outside a browser it is package.json that says that the files are modules.
        folder = Path(text)
        for name, script in rendering.scripts().items():
            (folder / name).write_bytes(script)
        (folder / "package.json").write_text('{"type": "module"}')
        question = json.dumps({"folder": text, "calls": list(calls)})
        done = subprocess.run(
            [node, "--no-warnings", str(_RUNNER)],
            input=question,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_SECONDS_MAX,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    answers: list[Answer] = json.loads(done.stdout)
    broken = [answer["broken"] for answer in answers if "broken" in answer]
    assert not broken, broken[0]
    return answers


def values(calls: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What the calls give; none of them may refuse."""
    answers = run(calls)
    assert all("value" in answer for answer in answers), [answer for answer in answers if "value" not in answer]
    return [answer["value"] for answer in answers]


def refusals(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    """How each call refused: `invalid`, `untrusted`, or `value` for one that did not."""
    return [next(iter(answer)) for answer in run(calls)]
