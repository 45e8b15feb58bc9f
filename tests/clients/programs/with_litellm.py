"""litellm as a library, with the prefix that makes it use OpenAI's API."""

import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network for prices

import litellm
from scenario import ANSWERED, API_KEY, ASKED, BASE_URL, FLASH, HI, PRO, SAID, TOOLS, Solution, call, loop, run


def ask(name: str, messages: list[Any], **more: Any) -> Any:
    return litellm.completion(
        model=f"openai/{name}", messages=messages, api_base=BASE_URL, api_key=API_KEY, timeout=30, **more
    )


def complete() -> None:
    answer = ask(FLASH, HI)
    assert answer.choices[0].message.content.startswith(SAID.format("hi"))
    assert answer.usage.total_tokens > 0


def stream() -> None:
    chunks = list(ask(FLASH, HI, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices).startswith(
        SAID.format("hi")
    )
    assert litellm.stream_chunk_builder(chunks).usage.total_tokens > 0


def thoughts() -> None:
    message = ask(PRO, HI, reasoning_effort="high", allowed_openai_params=["reasoning_effort"]).choices[0].message
    assert "Reading the request" in message.reasoning_content


def three_steps(streamed: bool, midway: str = "") -> None:
    history: list[Any] = [{"role": "user", "content": ASKED}]
    with loop(midway):
        while calls := (message := step(history, streamed)).tool_calls:
            history.append(message.model_dump())
            for one in calls:
                content = call(one.function.name, one.function.arguments)
                history.append({"role": "tool", "tool_call_id": one.id, "name": one.function.name, "content": content})
            assert len(history) < 12
    assert message.content.startswith(ANSWERED), message


def step(history: list[Any], streamed: bool) -> Any:
    answer = ask(PRO, history, tools=TOOLS, stream=streamed)
    return (litellm.stream_chunk_builder(list(answer)) if streamed else answer).choices[0].message


def loop_whole() -> None:
    three_steps(streamed=False)


def loop_stream() -> None:
    three_steps(streamed=True)


def loop_restart() -> None:
    three_steps(streamed=False, midway="restart")


def structured() -> None:
    content = ask(FLASH, HI, response_format=Solution).choices[0].message.content
    assert Solution.model_validate_json(content)


def wrong_key() -> None:
    said = ""
    try:
        litellm.completion(model=f"openai/{FLASH}", messages=HI, api_base=BASE_URL, api_key="none")
    except litellm.AuthenticationError as error:
        said = str(error)
    assert "PROXY_API_KEY" in said


run("litellm", complete, stream, thoughts, loop_whole, loop_stream, loop_restart, structured, wrong_key)
