"""What the OpenAPI document promises is what is answered, also to requests that nobody would think of."""

import asyncio
import json

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.gateway import Running, bearer

CASES_PER_OPERATION = 40
# They never end, or end the session that asks.
NOT_GENERATED = ("/v1/events", "/v1/jobs/{job_id}/events", "/auth/setup", "/auth/login")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def exchange(schema: schemathesis.BaseSchema, url: str) -> list[str]:
    """Asks every operation what the document allows, and what it doesn't; the operations that were asked."""
    asked: list[str] = []
    headers = {"authorization": bearer("cli", ttl_s=600)}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in NOT_GENERATED:
            continue
        asked.append(operation.label)
        cases = st.one_of(
            operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        )

        @settings(
            max_examples=CASES_PER_OPERATION,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases)
        def ask(case: schemathesis.Case) -> None:
            response = case.call(base_url=url, headers=headers)
            case.validate_response(response, checks=CHECKS)

        ask()
    return asked


async def test_every_answer_is_as_the_document_says(house: Running, stranger: httpx.AsyncClient) -> None:
    document = json.loads((await stranger.get("/docs/openapi.json")).text)
    schema = schemathesis.openapi.from_dict(document)
    asked = await asyncio.to_thread(exchange, schema, house.url)
    assert len(asked) >= 13
