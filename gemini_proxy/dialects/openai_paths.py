"""Paths of OpenAI's API that are not served here, and what a client that asks for one should do."""

BASE = "/v1"
CHAT = "Use chat completions"
# The beginning of a path below /v1 -> what to do instead. The first that fits counts.
ADVICE = (
    (
        "/responses",
        f"{CHAT}: in pydantic-ai 'openai-chat:MODEL', in the AI SDK .chat('MODEL') or @ai-sdk/openai-compatible, in "
        "openai-agents set_default_openai_api('chat_completions').",
    ),
    ("/completions", f"{CHAT}: in LlamaIndex OpenAILike(is_chat_model=True)."),
    ("/messages", f"{CHAT}: this server speaks OpenAI's API, not Anthropic's."),
    ("/audio", "It neither transcribes nor speaks by this path; a chat takes sound as input_audio."),
    ("/images", "A chat with an image model and modalities ['text', 'image'] draws."),
    ("/videos", "It makes no videos."),
    ("/files", "Send the content of a file in the chat, as file_data."),
    ("/uploads", "Send the content of a file in the chat, as file_data."),
    ("/assistants", f"{CHAT}, and keep the conversation yourself."),
    ("/threads", f"{CHAT}, and keep the conversation yourself."),
    ("/conversations", f"{CHAT}, and keep the conversation yourself."),
    ("/moderations", "Gemini judges the prompts of a chat itself."),
    ("/batches", f"{CHAT}, one request for each."),
    ("/realtime", f"{CHAT} with stream=true."),
    ("/fine_tuning", "It serves Google's models as they are."),
    ("/vector_stores", "It stores nothing; /v1/embeddings makes vectors, with a Google API key."),
)
SERVED = ("/chat/completions", "/models", "/embeddings")


def advice_for(path: str) -> str:
    """What to do instead of asking for this path, as sentences; "" where it is no path of OpenAI's API."""
    times, below = 0, path.rstrip("/")
    while _is_at(below, BASE):
        times, below = times + 1, below[len(BASE) :]
    if times != 1 and any(_is_at(below, start) for start in (*SERVED, *(start for start, _ in ADVICE))):
        how = "has no /v1 at its end" if times == 0 else "has /v1 at its end already, and the client adds another"
        return f"The base URL {how}: it has to be such as http://127.0.0.1:3000/v1, once."
    if times == 1:
        return next((f"This server has no {BASE}{start}. {text}" for start, text in ADVICE if _is_at(below, start)), "")
    return ""


def _is_at(path: str, start: str) -> bool:
    return path == start or path.startswith(start + "/")
