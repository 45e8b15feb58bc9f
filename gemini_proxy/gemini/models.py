"""The models Google serves to Code Assist, with their limits in tokens (protocol 7).

A list to choose from, not a gate: any id goes through, because Google adds models faster than this file learns them.
There is no method that lists models; these ids stand in quota buckets and error texts of real accounts.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    id: str
    input_tokens: int = 1_048_576
    output_tokens: int = 65_536


MODELS = tuple(
    Model(name)
    for name in (
        "gemini-3.1-pro-preview",
        "gemini-3-pro-preview",
        "gemini-3-flash",
        "gemini-3-flash-preview",
        "gemini-3.1-flash-lite",
        "gemini-3.1-flash-lite-preview",
        "gemini-2.5-pro",
        "gemini-2.5-flash",
        "gemini-2.5-flash-lite",
    )
)
