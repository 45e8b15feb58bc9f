"""Gemini's own words: the bodies of generateContent, as both the Code Assist and the public API know them.

Typed dicts show the wire and keep members that are not named here. Answers are read leniently: every member may be
absent or null, enumerations are strings because Google adds words. What is of a wrong kind all the same is for `chunk`.
"""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

_lenient = with_config(ConfigDict(extra="allow"))


class Part(TypedDict, total=False):
    """A part of a request's content, written by us."""

    text: str
    thought: bool
    thoughtSignature: str
    inlineData: dict[str, Any]
    fileData: dict[str, Any]
    functionCall: dict[str, Any]
    functionResponse: dict[str, Any]
    videoMetadata: dict[str, Any]
    mediaResolution: dict[str, Any]


class Content(TypedDict, total=False):
    role: str
    parts: list[Part]


class GenerationConfig(TypedDict, total=False):
    temperature: float
    topP: float
    topK: float
    candidateCount: int
    maxOutputTokens: int
    stopSequences: list[str]
    responseLogprobs: bool
    logprobs: int
    presencePenalty: float
    frequencyPenalty: float
    seed: int
    responseMimeType: str
    responseSchema: dict[str, Any]
    responseJsonSchema: Any
    responseModalities: list[str]
    mediaResolution: str
    speechConfig: dict[str, Any]
    imageConfig: dict[str, Any]
    thinkingConfig: dict[str, Any]


class GenerateContentRequest(TypedDict, total=False):
    contents: list[Content]
    systemInstruction: Content
    tools: list[dict[str, Any]]
    toolConfig: dict[str, Any]
    safetySettings: list[dict[str, Any]]
    cachedContent: str
    generationConfig: GenerationConfig


@_lenient
class FunctionCall(TypedDict, total=False):
    name: str | None
    args: dict[str, Any] | None
    id: str | None
    partialArgs: Any
    willContinue: bool | None


@_lenient
class Blob(TypedDict, total=False):
    mimeType: str | None
    data: str | None


@_lenient
class FileData(TypedDict, total=False):
    mimeType: str | None
    fileUri: str | None


@_lenient
class ExecutableCode(TypedDict, total=False):
    language: str | None
    code: str | None


@_lenient
class CodeExecutionResult(TypedDict, total=False):
    outcome: str | None
    output: str | None


@_lenient
class AnswerPart(TypedDict, total=False):
    text: str | None
    thought: bool | None
    thoughtSignature: str | None
    functionCall: FunctionCall | None
    inlineData: Blob | None
    fileData: FileData | None
    executableCode: ExecutableCode | None
    codeExecutionResult: CodeExecutionResult | None


@_lenient
class AnswerContent(TypedDict, total=False):
    parts: list[AnswerPart] | None
    role: str | None


@_lenient
class Candidate(TypedDict, total=False):
    index: Annotated[int, Field(ge=0, lt=8)] | None  # Google makes 8 at most
    content: AnswerContent | None
    finishReason: str | None
    finishMessage: str | None
    groundingMetadata: Any
    citationMetadata: Any
    urlContextMetadata: Any
    logprobsResult: Any


Count = Annotated[int, Field(ge=0)] | None


@_lenient
class UsageMetadata(TypedDict, total=False):
    promptTokenCount: Count
    candidatesTokenCount: Count
    thoughtsTokenCount: Count
    toolUsePromptTokenCount: Count
    cachedContentTokenCount: Count
    totalTokenCount: Count
    promptTokensDetails: Any
    candidatesTokensDetails: Any


@_lenient
class PromptFeedback(TypedDict, total=False):
    blockReason: str | None
    blockReasonMessage: str | None


@_lenient
class GenerateContentResponse(TypedDict, total=False):
    candidates: list[Candidate] | None
    promptFeedback: PromptFeedback | None
    usageMetadata: UsageMetadata | None
    modelVersion: str | None
    responseId: str | None
    traceId: str | None  # of Code Assist's envelope, put in here by whoever opens it


RESPONSE = TypeAdapter(GenerateContentResponse)
