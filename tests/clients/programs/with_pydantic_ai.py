"""pydantic-ai with OpenAI's chat model: the strictest reader of answers."""

from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.messages import ModelResponse, ThinkingPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from scenario import ANSWERED, API_KEY, ASKED, BASE_URL, FLASH, FUNCTIONS, PRO, SAID, Solution, Tree, loop, run

provider = OpenAIProvider(base_url=BASE_URL, api_key=API_KEY)
flash, pro = (OpenAIChatModel(name, provider=provider) for name in (FLASH, PRO))


async def text() -> None:
    result = await Agent(flash, instructions="Be kind.").run("hi")
    assert result.output.startswith(SAID.format("hi"))
    assert result.usage.total_tokens > 0


async def stream() -> None:
    async with Agent(flash).run_stream("hi") as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert len(pieces) > 1
    assert "".join(pieces).startswith(SAID.format("hi"))


async def thoughts() -> None:
    result = await Agent(pro).run("hi", model_settings={"openai_reasoning_effort": "high"})
    parts = [part for message in result.all_messages() if isinstance(message, ModelResponse) for part in message.parts]
    assert any(isinstance(part, ThinkingPart) and "Reading the request" in part.content for part in parts)
    again = await Agent(pro).run("again", message_history=result.all_messages())
    assert again.output.startswith(SAID.format("again"))


async def three_steps(midway: str = "") -> None:
    agent = Agent(pro, tools=FUNCTIONS)
    with loop(midway):
        result = await agent.run(ASKED)
    assert result.output.startswith(ANSWERED), result.output
    again = await agent.run("thanks", message_history=result.all_messages())
    assert again.output.startswith(SAID.format("thanks"))


async def three_steps_streamed(midway: str = "") -> None:
    with loop(midway):
        async with Agent(pro, tools=FUNCTIONS).run_stream(ASKED) as result:
            output = await result.get_output()
    assert output.startswith(ANSWERED), output


async def loop_whole() -> None:
    await three_steps()


async def loop_stream() -> None:
    await three_steps_streamed()


async def loop_restart() -> None:
    await three_steps("restart")


async def loop_restart_stream() -> None:
    await three_steps_streamed("restart")


async def structured_tool() -> None:
    for model in (flash, pro):
        assert isinstance((await Agent(model, output_type=ToolOutput(Solution)).run("hi")).output, Solution)


async def structured_native() -> None:
    for model in (flash, pro):
        for kind in (Solution, Tree):
            assert isinstance((await Agent(model, output_type=NativeOutput(kind)).run("hi")).output, kind)


async def structured_stream() -> None:
    async with Agent(flash, output_type=NativeOutput(Solution)).run_stream("hi") as result:
        assert isinstance(await result.get_output(), Solution)


async def typed_loop_flash() -> None:
    """Tools and a schema for the answer in one request: 2.5 refuses both together."""
    with loop():
        result = await Agent(flash, tools=FUNCTIONS, output_type=NativeOutput(Solution)).run(ASKED)
    assert isinstance(result.output, Solution)


async def typed_loop_flash_stream() -> None:
    with loop():
        async with Agent(flash, tools=FUNCTIONS, output_type=NativeOutput(Solution)).run_stream(ASKED) as result:
            assert isinstance(await result.get_output(), Solution)


run(
    "pydantic-ai-slim",
    *(text, stream, thoughts, loop_whole, loop_stream, loop_restart, loop_restart_stream),
    *(structured_tool, structured_native, structured_stream, typed_loop_flash, typed_loop_flash_stream),
)
