"""Names for what has none of its own: texts and images of the model, so that their signatures are found again."""

import hashlib


class Transcript:
    """Hashes of what was said. A text has no id, so its own words and what stood before it name it.

    A request walks its messages with `message`; `answer` is where the model goes on, whose words come with `add`.
    """

    def __init__(self) -> None:
        self._before = b""
        self._words = hashlib.sha256()
        self.size = 0  # bytes of the text of the model to come

    def message(self, text: str, rest: str) -> str:
        """The id of the text of the next message; `rest` is what it says besides its words."""
        words = hashlib.sha256(text.encode()).digest()
        text_id = _text_id(self._before, words)
        self._before = hashlib.sha256(self._before + words + rest.encode()).digest()
        return text_id

    @property
    def text_id(self) -> str:
        """The id of the text that the model has said so far."""
        return _text_id(self._before, self._words.digest())

    def add(self, text: str) -> None:
        words = text.encode()
        self._words.update(words)
        self.size += len(words)

    def answer(self) -> "Transcript":
        """The same conversation, with a text of the model to come."""
        going_on = Transcript()
        going_on._before = self._before
        return going_on


def image_id(url: str) -> str:
    """The name of an image that the model drew, from its data URI: a sample of megabytes tells as much as all of them."""
    sample = f"{len(url)}:{url[:: len(url) // 1000 + 1]}{url[-64:]}"
    return f"image_{hashlib.sha256(sample.encode('utf-8', 'replace')).hexdigest()}"


def _text_id(before: bytes, words: bytes) -> str:
    return f"text_{hashlib.sha256(before + words).hexdigest()}"
