"""Serving starts in seconds and ships small: no training framework, whatever is installed beside it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.builder import TASTE, make_world

TRAINING_ONLY = (
    "torch",
    "opacus",
    "flwr",
    "mlflow",
    "dp_accounting",
    "scipy",
    "cryptography",
    "matplotlib",
    "sklearn",
    "recsys.towers",
    "training",
    "experiments",
)
# pyarrow looks for pandas whenever it is installed; where serving is installed alone, it is not.
ABSENT = (*TRAINING_ONLY, "pandas")

PROGRAM = """
import asyncio, json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in set({absent!r}):
            asked.append(name)
            raise ModuleNotFoundError(name, name=name)

asked = []
sys.meta_path.insert(0, Absent())

from serving.app import create_app
from serving.settings import Settings

app = create_app(Settings(bundle={bundle!r}, silo={silo!r}, demo=True))
answers = []

async def request(method, path, body):
    async def receive():
        return {{"type": "http.request", "body": body, "more_body": False}}
    async def send(message):
        answers.append(message.get("status", 0))
    scope = dict(type="http", method=method, path=path, raw_path=path.encode(), root_path="")
    scope["query_string"] = b""
    scope |= dict(headers=[(b"content-type", b"application/json")], http_version="1.1", scheme="http")
    await app(scope | dict(client=("127.0.0.1", 1), server=("127.0.0.1", 80)), receive, send)

calls = [("POST", "/v1/recommendations", {body!r}), ("GET", "/v1/customers/{customer}/replenishment", b"")]
for call in [*calls, ("GET", "/", b""), ("GET", "/metrics", b""), ("GET", "/openapi.json", b"")]:
    asyncio.run(request(*call))
found = [name for name in sys.modules if any(name == one or name.startswith(one + ".") for one in {absent!r})]
statuses = [one for one in answers if one]
print(json.dumps({{"statuses": statuses, "found": sorted(found), "asked": sorted(set(asked))}}))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    bundle, silo = make_world(tmp_path_factory.mktemp("imports"))
    body = json.dumps({"customer_id": TASTE}).encode()
    program = PROGRAM.format(absent=ABSENT, bundle=str(bundle), silo=str(silo), body=body, customer=TASTE)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_serving_answers_where_no_training_framework_is_installed(outcome: dict[str, list[str]]) -> None:
    assert outcome["statuses"] == [200] * 5
    assert outcome["found"] == []


def test_serving_does_not_even_ask_for_one(outcome: dict[str, list[str]]) -> None:
    assert set(outcome["asked"]) <= {"pandas"}
