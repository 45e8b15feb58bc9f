"""Parameters, through the door; see also test_request.py."""

from typing import Any

import pytest

from tests.exchanges import HI, asked, function, refused, told, whole
from tests.exchanges import text as words

OLD, NEW, NEWEST, PRO = "gemini-2.5-flash", "gemini-3-pro-preview", "gemini-3.7-flash", "gemini-2.5-pro"
ANCIENT = "gemini-2.0-flash"
LITE = "gemini-2.5-flash-lite"


def config(**chat: Any) -> Any:
    return asked(**chat).get("generationConfig", {})


# A column a row, from none to max; "!" is a warning, and thoughts off.
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
TABLE: dict[str, tuple[str | int, ...]] = {
    PRO: ("128!", 1024, 1024, 8192, 24576, 32768, 32768),
    OLD: (0, 1024, 1024, 8192, 24576, 24576, 24576),
    LITE: (0, 1024, 1024, 8192, 24576, 24576, 24576),
    NEW: ("LOW!", "LOW", "LOW", "HIGH", "HIGH", "HIGH", "HIGH"),
    "gemini-3.1-pro-preview": ("LOW!", "LOW", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"),
    NEWEST: ("LOW!", "LOW", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"),
}


@pytest.mark.parametrize(
    ("model", "effort", "entry"),
    [
        pytest.param(model, effort, entry, id=f"{model}-{effort}")
        for model, row in TABLE.items()
        for effort, entry in zip(EFFORTS, row, strict=True)
    ],
)
def test_effort(model: str, effort: str, entry: str | int) -> None:
    word = str(entry).rstrip("!")
    name, value = ("thinkingBudget", int(word)) if word.isdigit() else ("thinkingLevel", word)
    thoughts = {} if entry == 0 else {"includeThoughts": not str(entry).endswith("!")}
    for chat in ({"reasoning_effort": effort}, {"reasoning": {"effort": effort, "summary": "auto"}}):
        assert config(model=model, **chat)["thinkingConfig"] == {name: value, **thoughts}
        assert ("cannot stop thinking" in told(model=model, **chat)) == str(entry).endswith("!")


def test_effort_and_thinking_config() -> None:
    own = {"google": {"thinking_config": {"thinking_budget": 5}}}
    assert refused(reasoning_effort="low", **own).param == "reasoning_effort"
    assert refused(reasoning={"effort": "low"}, **own).status == 400
    assert refused(reasoning={"effort": "low"}, reasoning_effort="high").param == "reasoning_effort"
    assert config(reasoning={"effort": "low"}, reasoning_effort="low")["thinkingConfig"]["thinkingBudget"] == 1024
    assert config(reasoning={}, **own)["thinkingConfig"] == {"thinkingBudget": 5}
    assert refused(thinking={"budget_tokens": 7}, **own).param == "thinking.budget_tokens"


# How OpenRouter's and LiteLLM's clients say what to think, and what Gemini 2.5 Pro is told.
SPELLINGS: list[Any] = [
    pytest.param({"reasoning": {"max_tokens": 4096}}, {"includeThoughts": True, "thinkingBudget": 4096}, id="tokens"),
    pytest.param(
        {"thinking": {"type": "enabled", "budget_tokens": 4096}},
        {"includeThoughts": True, "thinkingBudget": 4096},
        id="budget",
    ),
    pytest.param({"reasoning": {"enabled": True}}, {"includeThoughts": True}, id="on"),
    pytest.param({"thinking": {"type": "enabled"}}, {"includeThoughts": True}, id="thinking-on"),
    pytest.param(
        {"reasoning": {"effort": "low", "exclude": True}},
        {"includeThoughts": False, "thinkingBudget": 1024},
        id="unseen",
    ),
    pytest.param({"reasoning": {"exclude": True}}, {"includeThoughts": False}, id="unseen-by-itself"),
    pytest.param({"usage": {"include": True}}, {"includeThoughts": True}, id="usage-is-told-anyway"),
]


@pytest.mark.parametrize(("chat", "wire"), SPELLINGS)
def test_other_spellings_of_thinking(chat: dict[str, Any], wire: Any) -> None:
    assert config(model=PRO, **chat)["thinkingConfig"] == wire
    assert told(model=PRO, **chat) == ""


@pytest.mark.parametrize("chat", [{"reasoning": {"enabled": False}}, {"thinking": {"type": "disabled"}}])
def test_thinking_can_be_switched_off_in_every_spelling(chat: dict[str, Any]) -> None:
    assert config(model=OLD, **chat)["thinkingConfig"] == {"thinkingBudget": 0}
    assert config(model=NEW, **chat)["thinkingConfig"] == {"includeThoughts": False, "thinkingLevel": "LOW"}


def test_thinking_can_be_switched_on_where_it_is_off() -> None:
    assert config(model=LITE, reasoning={"enabled": True})["thinkingConfig"]["thinkingBudget"] == 8192
    assert "thinkingConfig" not in config(model=LITE, reasoning={"exclude": True})


def test_two_members_that_say_different_things() -> None:
    error = refused(reasoning={"max_tokens": 5}, thinking={"budget_tokens": 6})
    assert (error.status, error.param) == (400, "reasoning.max_tokens")
    assert refused(reasoning={"max_tokens": -1}).param == "reasoning.max_tokens"


THINKING: list[Any] = [
    pytest.param({"include_thoughts": True, "thinking_budget": 0}, {"thinkingBudget": 0}),
    pytest.param(
        {"includeThoughts": True, "thinkingBudget": 9}, {"includeThoughts": True, "thinkingBudget": 9}, id="camel"
    ),
    pytest.param({"thinking_level": "low", "thinking_budget": None}, {"thinkingLevel": "LOW"}, id="level"),
    pytest.param({"include_thoughts": False}, {"includeThoughts": False}, id="off"),
]


@pytest.mark.parametrize(("given", "wire"), THINKING)
def test_thinking_config(given: Any, wire: Any) -> None:
    assert config(google={"thinking_config": given})["thinkingConfig"] == wire


def test_effort_on_a_model_that_does_not_think() -> None:
    assert "thinkingConfig" not in config(model="gemini-2.0-flash", reasoning_effort="high")
    assert "does not think" in told(model="gemini-2.0-flash", reasoning_effort="high")


LIMITS: list[Any] = [
    pytest.param({"max_tokens": 10**9}, {"maxOutputTokens": 65_536}, "limit was lowered"),
    pytest.param({"max_tokens": 10**30}, {"maxOutputTokens": 65_536}, "limit was lowered", id="huge"),
    pytest.param({"model": "gemini-2.0-flash", "max_tokens": 9000}, {"maxOutputTokens": 8192}, "lowered", id="old"),
    pytest.param({"max_tokens": 65_536}, {"maxOutputTokens": 65_536}, "", id="just"),
]


@pytest.mark.parametrize(("chat", "values", "warning"), LIMITS)
def test_output_tokens(chat: dict[str, Any], values: dict[str, Any], warning: str) -> None:
    assert {name: value for name, value in config(**chat).items() if name != "thinkingConfig"} == values
    assert (warning in told(**chat)) if warning else told(**chat) == ""


BUDGETS: list[Any] = [
    pytest.param(OLD, "high", 2_000, 1_000, "budget was lowered", id="half"),
    pytest.param(PRO, "low", 100, 128, "budget was lowered", id="least"),
    pytest.param(OLD, "low", 4_000, 1_024, "", id="enough"),
    pytest.param(OLD, "none", 10, 0, "", id="off"),
    pytest.param(OLD, None, 100, None, "may leave nothing", id="own-choice"),
    pytest.param(NEW, "high", 100, None, "may leave nothing", id="levels"),
    pytest.param(NEW, "high", 5_000, None, "", id="levels-enough"),
    pytest.param("gemini-2.0-flash", None, 10, None, "", id="no-thinking"),
]


@pytest.mark.parametrize(("model", "effort", "limit", "budget", "warning"), BUDGETS)
def test_a_small_limit_leaves_room_for_the_answer(
    model: str, effort: str | None, limit: int, budget: int | None, warning: str
) -> None:
    chat = {"model": model, "max_tokens": limit, **({"reasoning_effort": effort} if effort else {})}
    assert config(**chat).get("thinkingConfig", {}).get("thinkingBudget") == budget
    assert (warning in told(**chat)) if warning else told(**chat) == ""


SAMPLING: list[Any] = [
    pytest.param(
        {"model": ANCIENT, "frequency_penalty": 1, "presence_penalty": -2},
        {"frequencyPenalty": 1, "presencePenalty": -2},
        id="penalties",
    ),
    pytest.param(
        {"model": ANCIENT, "frequency_penalty": 2}, {"frequencyPenalty": 1.99}, id="penalties-google-s-range-ends-below"
    ),
    pytest.param({"seed": -1}, {"seed": 2**31 - 1}, id="negative-seed"),
    pytest.param({"seed": 2**40 + 5}, {"seed": 5}, id="long-seed"),
    pytest.param({"top_k": 40}, {"topK": 40}, id="top_k"),
    pytest.param({"top_k": 0}, {}, id="top_k-off"),
    pytest.param({"logprobs": True, "top_logprobs": 5}, {"responseLogprobs": True, "logprobs": 5}),
    pytest.param({"logprobs": False}, {"responseLogprobs": False}, id="off"),
    pytest.param({"n": 3, "stream": True}, {"candidateCount": 3}, id="stream"),
    pytest.param({"modalities": ["text"]}, {}, id="modalities-text"),
    pytest.param({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}, id="modalities-image"),
    pytest.param(
        {"modalities": ["audio"], "audio": {"voice": "Kore", "format": "pcm16"}},
        {
            "responseModalities": ["AUDIO"],
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
        },
        id="audio",
    ),
    pytest.param(
        {"image_config": {"aspect_ratio": "16:9", "image_size": None}},
        {"imageConfig": {"aspectRatio": "16:9"}},
        id="image",
    ),
]


@pytest.mark.parametrize(("chat", "values"), SAMPLING)
def test_values(chat: dict[str, Any], values: dict[str, Any]) -> None:
    assert {name: value for name, value in config(**chat).items() if name != "thinkingConfig"} == values
    assert told(**chat) == ""


@pytest.mark.parametrize("model", [OLD, PRO, NEW, NEWEST])
def test_penalties_on_a_model_that_refuses_them(model: str) -> None:
    chat = {"model": model, "frequency_penalty": 0.5, "presence_penalty": 0}
    assert set(config(**chat)) == {"thinkingConfig"}
    assert told(**chat) == "this model refuses frequency_penalty; it was left out"
    assert told(model=model, frequency_penalty=0, presence_penalty=0) == ""


def test_a_low_temperature_on_new_models() -> None:
    assert "temperature" in told(model=NEW, temperature=0)
    assert told(model=NEW, temperature=1) == told(model=OLD, temperature=0) == ""


REFUSED: list[Any] = [
    pytest.param({"frequency_penalty": 2.1}, "frequency_penalty", id="frequency"),
    pytest.param({"presence_penalty": -3}, "presence_penalty", id="presence"),
    pytest.param({"temperature": -0.1}, "temperature", id="temperature"),
    pytest.param({"top_p": -1}, "top_p", id="top_p"),
    pytest.param({"top_logprobs": 5}, "top_logprobs", id="alone"),
    pytest.param({"logprobs": True, "top_logprobs": 21}, "top_logprobs", id="too-many"),
    pytest.param({"modalities": ["smell"]}, "modalities[0]", id="modality"),
    pytest.param({"audio": {"format": "mp3"}}, "audio.format", id="audio-format"),
    pytest.param({"audio": {"voice": {"id": "v"}}}, "audio.voice", id="audio-voice"),
    pytest.param({"reasoning_effort": "huge"}, "reasoning_effort", id="unknown"),
    pytest.param({"reasoning": {"effort": "huge"}}, "reasoning_effort", id="unknown-object"),
    pytest.param({"reasoning": "high"}, "reasoning", id="reasoning-text"),
    pytest.param({"response_format": {"type": "xml"}}, "response_format.type", id="unknown"),
    pytest.param({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema", id="no-schema"),
]


@pytest.mark.parametrize(("chat", "param"), REFUSED)
def test_what_is_out_of_range_is_refused_here(chat: dict[str, Any], param: str) -> None:
    error = refused(**chat)
    assert (error.status, error.param) == (400, param)


def form(schema: Any, **more: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, **more}}}


POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False}
LOSSY = {"type": "object", "properties": {"x": {"not": {"type": "string"}}}}
FORMATS: list[Any] = [
    pytest.param({}, None, id="none"),
    pytest.param({"response_format": {"type": "text"}}, None, id="text"),
    pytest.param({"response_format": {"type": "json_object"}}, set(), id="object"),
    pytest.param(form(POINT), {"responseSchema"}, id="schema"),
    pytest.param(form(POINT, strict=True, description="d"), {"responseSchema"}),
    pytest.param(form(LOSSY), {"responseJsonSchema"}, id="schema-that-has-no-typed-form"),
    pytest.param(form({"type": "array", "items": POINT}), {"responseSchema"}, id="array"),
    pytest.param(form({"type": "string", "enum": ["a", "b"]}), {"responseSchema"}, id="enum"),
    pytest.param(form({"type": "string"}), {"responseSchema"}, id="string"),
]


@pytest.mark.parametrize(("chat", "schemas"), FORMATS)
def test_response_format(chat: dict[str, Any], schemas: set[str] | None) -> None:
    values = config(**chat)
    assert values.get("responseMimeType") == (None if schemas is None else "application/json")
    assert {name for name in values if "Schema" in name} == (schemas or set())
    if "responseJsonSchema" in values:
        assert values["responseJsonSchema"] == LOSSY
    assert told(**chat) == ""


def test_response_format_with_tools_of_google() -> None:
    search = {"type": "google_search"}
    assert refused(tools=[search], **form(POINT)).param == "response_format"
    for tool in (search, function("f")):
        assert "responseSchema" in config(model=NEW, tools=[tool], **form(POINT))
    assert "responseSchema" in config(tools=[], **form(POINT))


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_a_schema_beside_the_type(kind: str) -> None:
    beside = {"response_format": {"type": kind, "schema": POINT}}
    assert config(**beside) == config(**form(POINT))
    answer = whole(words('{"x": "1"}', finishReason="STOP", usage={"totalTokenCount": 1}), **beside)
    assert "does not match the schema" in answer.headers["x-gemini-proxy-warnings"]
    assert "response_format.grammar" in told(response_format={"type": kind, "schema": POINT, "grammar": "x"})


ANSWERS: list[Any] = [
    pytest.param(form(POINT), '{"x": 1}', "", id="good"),
    pytest.param(form(POINT), '{"x": "1"}', "response_format", id="wrong-type"),
    pytest.param(form(POINT), "Sure! Here", "not valid JSON", id="prose"),
    pytest.param({"response_format": {"type": "json_object"}}, '{"y": 1}', "", id="object"),
    pytest.param({"response_format": {"type": "json_object"}}, "[1]", "response_format", id="no-object"),
    pytest.param({"response_format": {"type": "text"}}, "hi", "", id="text"),
]


@pytest.mark.parametrize(("chat", "text", "warning"), ANSWERS)
def test_what_the_model_wrote_is_checked(chat: dict[str, Any], text: str, warning: str) -> None:
    answer = whole(words(text, finishReason="STOP", usage={"totalTokenCount": 1}), **chat)
    assert answer.status == 200
    assert warning in answer.headers.get("x-gemini-proxy-warnings", "" if not warning else "none")
    assert warning or "x-gemini-proxy-warnings" not in answer.headers


TOP_LEVEL: list[Any] = [
    pytest.param({"logit_bias": {"50256": -100}}, "logit_bias", id="logit_bias"),
    pytest.param({"logit_bias": {}}, "", id="logit_bias-empty"),
    pytest.param({"service_tier": "priority"}, "service_tier", id="service_tier"),
    pytest.param({"service_tier": "auto"}, "", id="service_tier-auto"),
    pytest.param({"verbosity": "low"}, "verbosity", id="verbosity"),
    pytest.param({"min_p": 0.1, "top_a": 0.2}, "min_p", id="min_p"),
    pytest.param({"image_config": {"style": "x"}}, "image_config.style", id="image_config"),
    pytest.param(
        {"prediction": {}, "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "store": True},
        "",
        id="ignored",
    ),
    pytest.param(
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
        "",
        id="stream_options",
    ),
]


@pytest.mark.parametrize(("chat", "name"), TOP_LEVEL)
def test_what_is_not_honoured_is_told(chat: dict[str, Any], name: str) -> None:
    assert (f"{name} is not supported" in told(**chat)) if name else told(**chat) == ""


@pytest.mark.parametrize(("setting", "unknown"), [("warn", "told"), ("ignore", "silent"), ("error", "refused")])
def test_what_the_operator_wants_of_unsupported_parameters(setting: Any, unknown: str) -> None:
    from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
    from gemini_proxy.errors import ProxyError
    from gemini_proxy.gemini.signatures import SignatureMemory
    from tests.exchanges import chat_ask, chat_request

    dialect = OpenAIChat(SignatureMemory(None), {}, setting)
    assert chat_ask(chat_request(model=NEW, temperature=0), dialect).warnings  # a remark, in any case
    request = chat_request(frobnicate=1, messages=HI)
    if unknown == "refused":
        with pytest.raises(ProxyError, match="frobnicate"):
            dialect.read(request)
    else:
        assert bool(chat_ask(request, dialect).warnings) == (unknown == "told")
