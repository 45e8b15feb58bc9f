"""Sources of an answer, and the words that they stand for."""

from typing import Any

import pytest

from tests.exchanges import STOP, candidate, completion, deltas, said, streamed, text

WORDS = "Überraschung: 漢字 😀 sunny."
URI, TITLE = "https://example.com/a", "example.com"
CHUNK = {"web": {"uri": URI, "title": TITLE}}


def grounding(segment: Any, *chunks: Any, indices: Any = (0,), **more: Any) -> dict[str, Any]:
    support = {"segment": segment, "groundingChunkIndices": list(indices) if isinstance(indices, tuple) else indices}
    return {"groundingMetadata": {"groundingChunks": list(chunks or [CHUNK]), "groundingSupports": [support], **more}}


def segment(part: str, words: str = WORDS) -> dict[str, Any]:
    start = len(words[: words.index(part)].encode())
    return {"startIndex": start, "endIndex": start + len(part.encode()), "text": part}


def cited(words: str, **metadata: Any) -> list[dict[str, Any]]:
    message = completion(text(words, finishReason="STOP", **metadata))["choices"][0]["message"]
    found = message.get("annotations", [])
    assert all(set(it) == {"type", "url_citation"} and it["type"] == "url_citation" for it in found)
    return [it["url_citation"] for it in found]


PARTS = ["Überraschung", "漢字", "😀 sunny", "."]


@pytest.mark.parametrize("part", [pytest.param(part, id=f"{part}") for part in PARTS])
def test_places_are_characters_of_the_text(part: str) -> None:
    (found,) = cited(WORDS, **grounding(segment(part)))
    assert WORDS[found["start_index"] : found["end_index"]] == part
    assert (found["url"], found["title"]) == (URI, TITLE)


@pytest.mark.parametrize("cut", [[WORDS], list(WORDS), ["ab", WORDS], ["plain ", "text ", "é", "z", "sunny"]])
def test_places_in_a_stream(cut: list[str]) -> None:
    whole = "".join(cut)
    part = "sunny" if "sunny" in whole else "漢"
    metadata = grounding(segment(part, whole))
    found = streamed([*(text(piece) for piece in cut), candidate(**metadata), STOP])
    annotated = [delta["annotations"] for delta in deltas(found) if "annotations" in delta]
    assert len(annotated) == 1
    ((only,),) = annotated
    assert only["index"] == 0
    assert said(found)[only["url_citation"]["start_index"] : only["url_citation"]["end_index"]] == part


def test_the_metadata_of_each_chunk_are_said_once() -> None:
    chunks = [text("a", **grounding({"endIndex": 1})), text("b", **grounding({"endIndex": 2})), STOP]
    found = [delta["annotations"] for delta in deltas(streamed(chunks)) if "annotations" in delta]
    assert [[it["url_citation"]["end_index"] for it in it_] for it_ in found] == [[2]]


FIRST, SECOND = "Der Zug hält in Düren. ", "Er fährt über Köln."
CODE = {"executableCode": {"language": "PYTHON", "code": "print('ä')"}}


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        pytest.param([{"text": FIRST}, {"text": SECOND}], 1, id="second-text"),
        pytest.param([{"text": "hm", "thought": True}, {"text": SECOND}], 1, id="behind-a-thought"),
        pytest.param([{"text": FIRST}, CODE, {"text": SECOND}], 2, id="behind-code"),
        pytest.param([{"text": SECOND}, {"text": FIRST}], None, id="first-part"),
        pytest.param([{"text": "hm", "thought": True}, {"text": SECOND}], 0, id="a-part-that-is-no-text"),
        pytest.param([{"text": SECOND}], 7, id="a-part-that-is-not-there"),
        pytest.param([{"text": SECOND}], "x", id="no-number"),
    ],
)
def test_places_are_counted_from_the_part_that_is_named(parts: list[Any], place: Any) -> None:
    metadata = grounding({**segment("über", SECOND), **({} if place is None else {"partIndex": place})})
    message = completion(candidate(*parts, finishReason="STOP", **metadata))["choices"][0]["message"]
    (found,) = [it["url_citation"] for it in message["annotations"]]
    assert message["content"][found["start_index"] : found["end_index"]] == "über"


@pytest.mark.parametrize("before", [{"text": "hm", "thought": True}, CODE])
def test_a_part_that_comes_in_pieces(before: dict[str, Any]) -> None:
    pieces = [text(SECOND[:7]), text(SECOND[7:], **grounding({**segment("über", SECOND), "partIndex": 1}))]
    found = streamed([candidate(before), *pieces, STOP])
    ((only,),) = [delta["annotations"] for delta in deltas(found) if "annotations" in delta]
    assert said(found)[only["url_citation"]["start_index"] : only["url_citation"]["end_index"]] == "über"


ODD: list[Any] = [
    pytest.param(grounding({}, {"web": {"uri": URI}}), [""], id="no-title"),
    pytest.param(grounding({}, {"web": {"uri": URI, "title": 5}}), [""], id="title-number"),
    pytest.param(grounding({}, {"retrievedContext": {"uri": URI, "title": "t"}}), ["t"], id="retrieved"),
    pytest.param(grounding({}, {"maps": {"uri": URI, "title": "t"}}), ["t"], id="maps"),
    pytest.param(grounding({}, {"web": {"title": "t"}}), [], id="no-uri"),
    pytest.param(grounding({}, {}), [], id="empty-chunk"),
    pytest.param(grounding(None), [TITLE], id="no-segment"),
    pytest.param(grounding({}, indices=(0, 7, -1, "x")), [TITLE], id="index-out-of-range"),
    pytest.param(grounding({}, indices=None), [], id="no-indices"),
    pytest.param({"groundingMetadata": {"groundingSupports": 5, "groundingChunks": "x"}}, [], id="wrong-types"),
    pytest.param({"groundingMetadata": {}}, [], id="empty"),
    pytest.param({"groundingMetadata": None}, [], id="null"),
]


@pytest.mark.parametrize(("metadata", "titles"), ODD)
def test_metadata_with_holes(metadata: dict[str, Any], titles: list[str]) -> None:
    assert [it["title"] for it in cited("sunny", **metadata)] == titles


@pytest.mark.parametrize(("start", "end"), [(0, 10**30), (-5, 99), (None, None), ("0", "9"), (9, 3), (1.5, 2)])
def test_places_are_held_inside_the_text(start: Any, end: Any) -> None:
    for words in ("é", "plain"):
        (found,) = cited(words, **grounding({"startIndex": start, "endIndex": end}))
        assert 0 <= found["start_index"] <= found["end_index"] <= len(words)


def test_what_google_shows_beside_sources() -> None:
    more = {"searchEntryPoint": {"renderedContent": "<div>"}, "webSearchQueries": ["weather"]}
    metadata = grounding(segment("sunny"), **more)
    message = completion(text(WORDS, finishReason="STOP", **metadata))["choices"][0]["message"]
    assert message["extra_content"]["google"]["grounding_metadata"] == metadata["groundingMetadata"]
    found = streamed([text(WORDS), candidate(**metadata), STOP])
    assert [d["extra_content"]["google"] for d in deltas(found) if "extra_content" in d] == [
        {"grounding_metadata": metadata["groundingMetadata"]}
    ]


@pytest.mark.parametrize("name", ["citations", "citationSources"])
def test_citations(name: str) -> None:
    """Vertex AI and Code Assist have one name for the list, the public API another."""
    citations = [{"startIndex": 0, "endIndex": 13, "uri": URI, "title": "t"}, {"uri": 5}, {"endIndex": 2}, {"uri": URI}]
    found = cited(WORDS, citationMetadata={name: citations})
    assert [(it["title"], WORDS[it["start_index"] : it["end_index"]]) for it in found] == [
        ("t", "Überraschung"),
        ("", ""),
    ]


def test_the_licence_of_a_citation_and_one_without_an_address() -> None:
    metadata = {"citations": [{"endIndex": 2, "uri": URI, "license": "MIT"}, {"endIndex": 2, "title": "A book"}]}
    message = completion(text("ab", finishReason="STOP", citationMetadata=metadata))["choices"][0]["message"]
    assert message["extra_content"]["google"] == {"citation_metadata": metadata}


def test_pages_that_google_read() -> None:
    metadata = {"urlMetadata": [{"retrievedUrl": URI, "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"}]}
    message = completion(text("a", finishReason="STOP", urlContextMetadata=metadata))["choices"][0]["message"]
    assert message["extra_content"]["google"] == {"url_context_metadata": metadata}
