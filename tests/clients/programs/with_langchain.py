"""langchain-openai, which keeps nothing of a call but id, name and arguments."""

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from scenario import ANSWERED, API_KEY, ASKED, BASE_URL, FLASH, FUNCTIONS, PRO, SAID, Solution, loop, run

TOOLS = {function.__name__: tool(function) for function in FUNCTIONS}


def model(name: str = FLASH, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=BASE_URL, api_key=API_KEY, timeout=30, max_retries=2, **more)


def invoke() -> None:
    answer = model(temperature=0.5, max_tokens=2000).invoke([("system", "Be kind."), ("user", "hi")])
    assert answer.content.startswith(SAID.format("hi"))
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata["total_tokens"] > 0


def stream() -> None:
    chunks = list(model(stream_usage=True).stream("hi"))
    assert "".join(chunk.text for chunk in chunks).startswith(SAID.format("hi"))
    assert sum(bool(chunk.usage_metadata) for chunk in chunks) == 1


async def asynchronous() -> None:
    assert (await model().ainvoke("hi")).text.startswith(SAID.format("hi"))
    assert "".join([chunk.text async for chunk in model().astream("hi")]).startswith(SAID.format("hi"))


def three_steps(streamed: bool, midway: str = "") -> None:
    answer = steps(model(PRO).bind_tools(list(TOOLS.values())), streamed, midway)
    assert answer.text.startswith(ANSWERED), answer


def steps(bound: Any, streamed: bool, midway: str = "") -> AIMessage:
    messages: list[Any] = [HumanMessage(ASKED)]
    with loop(midway):
        while (answer := ask(bound, messages, streamed)).tool_calls:
            messages.append(answer)
            messages += [
                ToolMessage(TOOLS[c["name"]].invoke(c["args"]), tool_call_id=c["id"]) for c in answer.tool_calls
            ]
            assert len(messages) < 12
    return answer


def ask(bound: Any, messages: list[Any], streamed: bool) -> AIMessage:
    if not streamed:
        return bound.invoke(messages)
    whole = None
    for chunk in bound.stream(messages):
        whole = chunk if whole is None else whole + chunk
    assert not whole.invalid_tool_calls
    return whole


def loop_whole() -> None:
    three_steps(streamed=False)


def loop_stream() -> None:
    three_steps(streamed=True)


def loop_restart() -> None:
    three_steps(streamed=False, midway="restart")


def loop_restart_stream() -> None:
    three_steps(streamed=True, midway="restart")


def structured_function_calling() -> None:
    for name in (FLASH, PRO):
        assert isinstance(
            model(name).with_structured_output(Solution, method="function_calling").invoke("hi"), Solution
        )


def structured_json_schema() -> None:
    for name in (FLASH, PRO):
        found = model(name).with_structured_output(Solution, method="json_schema", include_raw=True).invoke("hi")
        assert isinstance(found["parsed"], Solution), found


def typed_loop_flash() -> None:
    """Tools and a schema for the answer in one request: 2.5 refuses both together."""
    for streamed in (False, True):
        bound = model().bind_tools(list(TOOLS.values()), response_format=Solution, strict=True)
        Solution.model_validate_json(steps(bound, streamed).text)


def structured_json_mode() -> None:
    assert isinstance(model().with_structured_output(None, method="json_mode").invoke("Say hi as JSON."), dict)


run(
    "langchain-openai",
    *(invoke, stream, asynchronous, loop_whole, loop_stream, loop_restart, loop_restart_stream),
    *(structured_function_calling, structured_json_schema, structured_json_mode, typed_loop_flash),
)
