"""openai-agents with its chat completions model."""

from typing import Any

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI
from scenario import ANSWERED, API_KEY, ASKED, BASE_URL, FLASH, FUNCTIONS, PRO, SAID, Solution, loop, run

set_tracing_disabled(True)  # traces would go to OpenAI
TOOLS = [function_tool(function) for function in FUNCTIONS]


def agent(name: str, **more: Any) -> Agent[None]:
    client = AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY, timeout=30)
    model = OpenAIChatCompletionsModel(model=name, openai_client=client)
    return Agent(name="Emulated", instructions="Be kind.", model=model, **more)


async def text() -> None:
    result = await Runner.run(agent(FLASH), "hi")
    assert result.final_output.startswith(SAID.format("hi"))
    assert result.raw_responses[0].usage.total_tokens > 0


async def stream() -> None:
    result = Runner.run_streamed(agent(FLASH, model_settings=ModelSettings(include_usage=True)), "hi")
    deltas = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    assert len(deltas) > 1
    assert "".join(deltas) == result.final_output
    assert result.final_output.startswith(SAID.format("hi"))
    assert result.raw_responses[0].usage.total_tokens > 0


async def three_steps(midway: str = "") -> None:
    with loop(midway):
        result = await Runner.run(agent(PRO, tools=TOOLS), ASKED)
    assert result.final_output.startswith(ANSWERED), result.final_output
    again = await Runner.run(agent(PRO, tools=TOOLS), [*result.to_input_list(), {"role": "user", "content": "thanks"}])
    assert again.final_output.startswith(SAID.format("thanks"))


async def three_steps_streamed(midway: str = "") -> None:
    with loop(midway):
        result = Runner.run_streamed(agent(PRO, tools=TOOLS), ASKED)
        called = [event.name async for event in result.stream_events() if event.type == "run_item_stream_event"]
    assert called.count("tool_called") == called.count("tool_output") == 4, called
    assert result.final_output.startswith(ANSWERED), result.final_output


async def loop_whole() -> None:
    await three_steps()


async def loop_stream() -> None:
    await three_steps_streamed()


async def loop_restart() -> None:
    await three_steps("restart")


async def loop_restart_stream() -> None:
    await three_steps_streamed("restart")


async def structured() -> None:
    for name in (FLASH, PRO):
        assert isinstance((await Runner.run(agent(name, output_type=Solution), "hi")).final_output, Solution)


async def loop_structured() -> None:
    """Tools and a schema for the answer in one request: Gemini 3 takes both."""
    with loop():
        result = await Runner.run(agent(PRO, tools=TOOLS, output_type=Solution), ASKED)
    assert isinstance(result.final_output, Solution)


async def typed_loop_flash() -> None:
    """The same on 2.5, which refuses both together."""
    with loop():
        result = await Runner.run(agent(FLASH, tools=TOOLS, output_type=Solution), ASKED)
    assert isinstance(result.final_output, Solution)


async def typed_loop_flash_stream() -> None:
    with loop():
        result = Runner.run_streamed(agent(FLASH, tools=TOOLS, output_type=Solution), ASKED)
        async for _ in result.stream_events():
            pass
    assert isinstance(result.final_output, Solution)


async def handoff() -> None:
    """An agent that passes the conversation on, by a tool without parameters."""
    other = agent(PRO)
    other.name = "Other"
    result = await Runner.run(agent(PRO, handoffs=[other]), "transfer_to_other()")
    assert result.last_agent is other, result.last_agent
    assert result.final_output


run(
    "openai-agents",
    *(text, stream, loop_whole, loop_stream, loop_restart, loop_restart_stream),
    *(structured, loop_structured, typed_loop_flash, typed_loop_flash_stream, handoff),
)
