"""instructor: structured output by a forced tool, and by a JSON schema."""

from typing import Any

import instructor
from openai import AsyncOpenAI, OpenAI
from scenario import API_KEY, BASE_URL, FLASH, HI, PRO, Solution, run

MODES = (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA)


def client(mode: Any) -> Any:
    return instructor.from_openai(OpenAI(base_url=BASE_URL, api_key=API_KEY, timeout=30), mode=mode)


def create() -> None:
    for mode in MODES:
        for name in (FLASH, PRO):
            found, answer = client(mode).chat.completions.create_with_completion(
                model=name, messages=HI, response_model=Solution, max_retries=0
            )
            assert isinstance(found, Solution)
            assert answer.usage.total_tokens > 0


def create_partial() -> None:
    for mode in MODES:
        states = list(client(mode).chat.completions.create_partial(model=FLASH, messages=HI, response_model=Solution))
        assert Solution.model_validate(states[-1].model_dump())


def create_iterable() -> None:
    found = list(
        client(instructor.Mode.TOOLS).chat.completions.create_iterable(
            model=FLASH, messages=HI, response_model=Solution
        )
    )
    assert found
    assert all(isinstance(one, Solution) for one in found)


async def asynchronous() -> None:
    for mode in MODES:
        other = instructor.from_openai(AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY, timeout=30), mode=mode)
        found = await other.chat.completions.create(model=PRO, messages=HI, response_model=Solution, max_retries=0)
        assert isinstance(found, Solution)


run("instructor", create, create_partial, create_iterable, asynchronous)
