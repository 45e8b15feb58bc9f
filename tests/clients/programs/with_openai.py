"""The openai package, of any version from 1.109 on."""

import json
import time
from collections.abc import Iterable
from typing import Any

import openai
from openai import AsyncOpenAI, OpenAI
from scenario import (
    ANSWERED,
    API_KEY,
    ASKED,
    BASE_URL,
    FLASH,
    HI,
    PRO,
    SAID,
    TOOLS,
    Solution,
    Tree,
    call,
    loop,
    run,
    tell,
)

client = OpenAI(base_url=BASE_URL, api_key=API_KEY, timeout=30)
chat = client.chat.completions


# Text ----------------------------------------------------------------------------------------------------------------


def create() -> None:
    answer = chat.create(model=FLASH, messages=HI)
    choice = answer.choices[0]
    assert choice.message.content.startswith(SAID.format("hi"))
    assert (choice.finish_reason, choice.message.role, answer.model) == ("stop", "assistant", FLASH)
    assert answer.usage.total_tokens > answer.usage.prompt_tokens > 0
    assert answer._request_id


def create_stream() -> None:
    chunks = list(chat.create(model=FLASH, messages=HI, stream=True))
    assert said(chunks).startswith(SAID.format("hi"))
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert not any("usage" in chunk.model_fields_set for chunk in chunks)


def stream_usage() -> None:
    chunks = list(chat.create(model=FLASH, messages=HI, stream=True, stream_options={"include_usage": True}))
    *others, last = chunks
    assert last.choices == []
    assert last.usage.total_tokens > 0
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in others)


def stream_helper() -> None:
    with chat.stream(model=FLASH, messages=HI) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    kinds = {event.type for event in events}
    assert {"chunk", "content.delta", "content.done"} <= kinds, kinds
    done = next(event for event in events if event.type == "content.done")
    assert done.content == final.choices[0].message.content
    assert done.content.startswith(SAID.format("hi"))


def several_choices() -> None:
    chunks = chat.create(model=FLASH, messages=HI, n=2, stream=True)
    words = {0: "", 1: ""}
    for chunk in chunks:
        for choice in chunk.choices:
            words[choice.index] += choice.delta.content or ""
    assert all(text.startswith(SAID.format("hi")) for text in words.values()), words


def thoughts() -> None:
    message = chat.create(model=PRO, messages=HI, reasoning_effort="high").choices[0].message
    assert "Reading the request" in message.reasoning_content
    assert "Reading the request" not in message.content
    deltas = [
        chunk.choices[0].delta for chunk in chat.create(model=PRO, messages=HI, reasoning_effort="high", stream=True)
    ]
    assert "Reading the request" in "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)


async def asynchronous() -> None:
    async with AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY, timeout=30) as other:
        answer = await other.chat.completions.create(model=FLASH, messages=HI)
        assert answer.choices[0].message.content.startswith(SAID.format("hi"))
        stream = await other.chat.completions.create(model=FLASH, messages=HI, stream=True)
        assert said([chunk async for chunk in stream]).startswith(SAID.format("hi"))
        async with other.chat.completions.stream(model=FLASH, messages=HI) as helper:
            assert "content.done" in [event.type async for event in helper]
        assert FLASH in [model.id async for model in other.models.list()]


def models() -> None:
    found = {model.id: model for model in client.models.list()}
    assert {FLASH, PRO} <= set(found)
    model = client.models.retrieve(PRO)
    assert model == found[PRO]
    assert (model.object, model.owned_by, model.context_length) == ("model", "google", 1_048_576)


# Structured output ---------------------------------------------------------------------------------------------------


def parse() -> None:
    for model in (FLASH, PRO):
        message = chat.parse(model=model, messages=HI, response_format=Solution).choices[0].message
        assert isinstance(message.parsed, Solution)
        assert message.parsed.steps
        assert json.loads(message.content) == message.parsed.model_dump()


def parse_recursive() -> None:
    for model in (FLASH, PRO):
        message = chat.parse(model=model, messages=HI, response_format=Tree).choices[0].message
        assert isinstance(message.parsed, Tree)


def parse_stream() -> None:
    with chat.stream(model=FLASH, messages=HI, response_format=Solution) as stream:
        done = next(event for event in stream if event.type == "content.done")
    assert isinstance(done.parsed, Solution)


def parse_again() -> None:
    """What the SDK made of an answer is accepted back."""
    message = chat.parse(model=FLASH, messages=HI, response_format=Solution).choices[0].message
    history = [*HI, message.model_dump(), {"role": "user", "content": "again"}]
    assert chat.create(model=FLASH, messages=history).choices[0].message.content.startswith(SAID.format("again"))


def json_object() -> None:
    answer = chat.create(model=FLASH, messages=HI, response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


# Tools ---------------------------------------------------------------------------------------------------------------

History = list[dict[str, Any]]


def whole(history: History) -> Any:
    choice = chat.create(model=PRO, messages=history, tools=TOOLS).choices[0]
    assert choice.finish_reason == ("tool_calls" if choice.message.tool_calls else "stop")
    return choice.message


def streamed(history: History) -> Any:
    """Put together by the SDK, whose helper must tell of every call that it is done."""
    with chat.stream(model=PRO, messages=history, tools=TOOLS) as stream:
        events = list(stream)
        choice = stream.get_final_completion().choices[0]
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    calls = choice.message.tool_calls or []
    assert [(event.index, event.name, event.arguments) for event in done] == [
        (index, tool_call.function.name, tool_call.function.arguments) for index, tool_call in enumerate(calls)
    ]
    assert choice.finish_reason == ("tool_calls" if calls else "stop")
    return choice.message


def by_hand(history: History) -> Any:
    """Put together from chunks, as programs without the helper do."""
    calls: dict[int, Any] = {}
    finishes, text = [], ""
    for chunk in chat.create(model=PRO, messages=history, tools=TOOLS, stream=True):
        choice = chunk.choices[0]
        for piece in choice.delta.tool_calls or []:
            assert not finishes, "a call after the finish"
            known = calls.setdefault(piece.index, piece)
            if known is not piece:
                known.function.arguments += piece.function.arguments
        text += choice.delta.content or ""
        if choice.finish_reason:
            finishes.append(choice.finish_reason)
            assert not choice.delta.tool_calls, "a call in the chunk of the finish"
    assert finishes == ["tool_calls" if calls else "stop"]
    assert list(calls) == list(range(len(calls)))
    return openai.types.chat.ChatCompletionMessage(
        role="assistant", content=text or None, tool_calls=[piece.model_dump() for piece in calls.values()] or None
    )


def kept(message: Any) -> dict[str, Any]:
    return message.model_dump()


def bare(message: Any) -> dict[str, Any]:
    calls = [
        {"id": one.id, "type": "function", "function": {"name": one.function.name, "arguments": one.function.arguments}}
        for one in message.tool_calls
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def three_steps(ask: Any, echo: Any, midway: str = "") -> None:
    history: History = [{"role": "user", "content": ASKED}]
    sizes = []
    with loop(midway):
        while calls := (message := ask(history)).tool_calls:
            sizes.append(len(calls))
            history.append(echo(message))
            history += [
                {"role": "tool", "tool_call_id": one.id, "content": call(one.function.name, one.function.arguments)}
                for one in calls
            ]
            assert len(history) < 12, history
    assert sizes == [2, 1, 1]
    ids = [one["id"] for said in history if said["role"] == "assistant" for one in said["tool_calls"]]
    assert len(set(ids)) == 4
    assert message.content.startswith(ANSWERED), message
    history += [message.model_dump(), {"role": "user", "content": "thanks"}]
    assert ask(history).content.startswith(SAID.format("thanks"))


def loop_whole() -> None:
    three_steps(whole, kept)


def loop_stream_helper() -> None:
    three_steps(streamed, kept)


def loop_stream_by_hand() -> None:
    three_steps(by_hand, kept)


def loop_bare() -> None:
    three_steps(whole, bare)


def loop_bare_stream() -> None:
    three_steps(streamed, bare)


def loop_restart() -> None:
    three_steps(whole, kept, "restart")


def loop_restart_stream() -> None:
    three_steps(streamed, kept, "restart")


def loop_restart_bare() -> None:
    three_steps(whole, bare, "restart")


def loop_restart_bare_stream() -> None:
    three_steps(streamed, bare, "restart")


def loop_crash_bare() -> None:
    three_steps(whole, bare, "crash")


def loop_forgotten_bare() -> None:
    """Without its memory the proxy has nothing but Google's stand-in."""
    three_steps(whole, bare, "forget")


def tool_choice() -> None:
    named = {"type": "function", "function": {"name": "convert"}}
    for choice, name in (("required", "get_weather"), (named, "convert")):
        message = chat.create(model=FLASH, messages=HI, tools=TOOLS, tool_choice=choice).choices[0].message
        assert [one.function.name for one in message.tool_calls] == [name]
    asked = [{"role": "user", "content": ASKED}]
    assert not chat.create(model=FLASH, messages=asked, tools=TOOLS, tool_choice="none").choices[0].message.tool_calls


# Errors --------------------------------------------------------------------------------------------------------------


def raised(kind: type[Exception], act: Any) -> Any:
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def not_found() -> None:
    for act in (
        lambda: client.batches.list(),
        lambda: client.get("/nothing", cast_to=object),
    ):
        error = raised(openai.NotFoundError, act)
        assert "Not found: GET /v1/" in error.message, error
        assert (error.code, error.type) == ("not_found", "invalid_request_error")
    error = raised(openai.NotFoundError, lambda: client.models.retrieve("gpt-none"))
    assert (error.code, error.param) == ("model_not_found", "model")


def bad_request() -> None:
    error = raised(openai.BadRequestError, lambda: chat.create(model=FLASH, messages=[]))
    assert (error.param, error.type) == ("messages", "invalid_request_error"), error
    for stream in (False, True):
        error = raised(
            openai.BadRequestError, lambda s=stream: chat.create(model=FLASH, messages=HI, temperature="hot", stream=s)
        )
        assert error.param == "temperature", error
        assert "temperature" in error.message


def unknown_model() -> None:
    error = raised(openai.NotFoundError, lambda: chat.create(model="gemini-0-none", messages=HI, stream=True))
    assert error.code == "model_not_found", error


def wrong_key() -> None:
    for key in (API_KEY + "x", "none"):
        other = OpenAI(base_url=BASE_URL, api_key=key)
        error = raised(openai.AuthenticationError, lambda o=other: o.chat.completions.create(model=FLASH, messages=HI))
        assert error.code == "invalid_api_key"
        assert "PROXY_API_KEY" in error.message
        raised(openai.AuthenticationError, lambda o=other: list(o.models.list()))


def busy() -> None:
    """Google asks for a second of patience: the SDK hears so, and a patient one gets its answer."""
    for stream in (False, True):
        tell("busy")
        hasty = client.with_options(max_retries=0)
        error = raised(
            openai.RateLimitError,
            lambda h=hasty, s=stream: h.chat.completions.create(model=FLASH, messages=HI, stream=s),
        )
        assert error.code == "rate_limit_exceeded", error
        assert error.response.headers["retry-after"] == "2"
        assert error.response.headers["retry-after-ms"] == "1500"
        tell("busy")
        start = time.monotonic()
        answer = client.with_options(max_retries=1).chat.completions.create(model=FLASH, messages=HI, stream=stream)
        if stream:
            assert said(answer)
        assert 1.4 < time.monotonic() - start < 15


def said(chunks: Iterable[Any]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


run(
    "openai",
    *(create, create_stream, stream_usage, stream_helper, several_choices, thoughts, asynchronous, models),
    *(parse, parse_recursive, parse_stream, parse_again, json_object),
    *(loop_whole, loop_stream_helper, loop_stream_by_hand, loop_bare, loop_bare_stream),
    *(loop_restart, loop_restart_stream, loop_restart_bare, loop_restart_bare_stream),
    *(loop_crash_bare, loop_forgotten_bare, tool_choice),
    *(not_found, bad_request, unknown_model, wrong_key, busy),
)
