"""The `.env` file: the settings that it holds, or a sentence that says what is wrong with it.

A file that cannot be read is an error, never a start without the key that it holds.
"""

import codecs
import io
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from gemini_proxy.setting_values import SettingsError

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # what `>` writes in Windows PowerShell 5.1


def read(file: Path) -> dict[str, str]:
    """Names and values, empty where there is no such file. Raises SettingsError, which never quotes the file."""
    if not file.exists() or file.is_dir():
        return {}
    text = _text(file)
    for binding in parse_stream(io.StringIO(text)):
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string[:blank].count("\n")
        if binding.error:
            raise SettingsError(f"{file.absolute()}, line {line}: this is not NAME=VALUE, or a quote is not closed.")
        if binding.key is not None and binding.value is None:
            raise SettingsError(
                f"{file.absolute()}, line {line}: {binding.key} has no value; write {binding.key}=VALUE."
            )
    # Values are taken as they are written: filling in ${NAME} would change a key that holds a dollar sign.
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file.absolute()} cannot be read: {error.strerror}.") from error
    encoding = "utf-16" if content.startswith(UTF_16) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # UTF-16 without its mark is UTF-8, too
        raise SettingsError(f"{file.absolute()} is not UTF-8: save it as UTF-8.")
    return text.replace("\r\n", "\n")
