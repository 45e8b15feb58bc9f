"""The Gemini CLI's own sign-in, read and never changed."""

import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.token import Token

PLAIN, ENCRYPTED = "oauth_creds.json", "gemini-credentials.json"
SERVICE, ACCOUNT = "gemini-cli-oauth", "main-account"
# What the encrypted file calls the fields of the plain one.
FIELDS = {
    "accessToken": "access_token",
    "refreshToken": "refresh_token",
    "tokenType": "token_type",
    "scope": "scope",
    "expiresAt": "expiry_date",
}
# The client that the refresh token was made for, where the file names one: Google renews it for no other.
CLIENT = ("client_id", "client_secret")


# The account's name as the system has it, which is whom Node asks, whatever LOGNAME and USER say.
if sys.platform == "win32":

    def _user() -> str:
        return os.getlogin()

else:
    import pwd

    def _user() -> str:
        return pwd.getpwuid(os.geteuid()).pw_name


def default_paths(env: Mapping[str, str]) -> list[Path]:
    """Where the Gemini CLI looks, in its order."""
    home = Path(env.get("GEMINI_CLI_HOME") or Path.home()) / ".gemini"
    named = env.get("GOOGLE_APPLICATION_CREDENTIALS")
    return [home / PLAIN, home / ENCRYPTED, *([Path(named).expanduser()] if named else [])]


def read_first(paths: list[Path]) -> tuple[Token, Path]:
    """The sign-in in the first of the files that is there. Raises ProxyError."""
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        raise _refusal(f"No Gemini CLI sign-in found: none of {', '.join(map(str, paths))} exists.")
    return read(path), path


def read(path: Path) -> Token:
    """The sign-in in a file of the Gemini CLI's, whichever form it has. Raises ProxyError."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise _refusal(f"{path} cannot be read: {os.strerror(error.errno or 0)}.") from error
    document = _json(text)
    if document is None and text.count(b":") == 2:
        document = _decrypted(text, path)
    if not isinstance(document, dict):
        raise _refusal(f"{path} is not a sign-in of the Gemini CLI.")
    return _token(document, path)


def _token(document: dict[str, Any], path: Path) -> Token:
    kind = document.get("type", "authorized_user")
    if kind != "authorized_user":
        named = kind[:100] if isinstance(kind, str) else "unknown"
        text = f"{path} holds credentials of type {named}. Code Assist is for people: only authorized_user works."
        raise _refusal(text)
    names = {*FIELDS.values(), *CLIENT, "id_token"}
    try:
        return Token.from_fields({name: document[name] for name in names if document.get(name)})
    except ValueError as error:
        raise _refusal(f"{path} holds no usable sign-in: {error}.") from error


def _decrypted(text: bytes, path: Path) -> dict[str, Any]:
    """AES-256-GCM as `iv:tag:ciphertext` in hex, under a key made of the names of machine and user."""
    key = _key(path)
    try:
        nonce, tag, ciphertext = map(bytes.fromhex, text.decode().strip().split(":"))
        plain = AESGCM(key).decrypt(nonce, ciphertext + tag, None)
        entry = json.loads(json.loads(plain)[SERVICE][ACCOUNT])["token"]
        return {ours: entry[theirs] for theirs, ours in FIELDS.items() if entry.get(theirs)}
    except InvalidTag as error:
        text_ = f"{path} was encrypted on another machine or by another user; import it there."
        raise _refusal(text_) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _refusal(f"{path} holds no sign-in with Google.") from error


def _key(path: Path) -> bytes:
    try:
        user = _user()
    except (OSError, KeyError) as error:
        text = f"{path} cannot be decrypted: this system does not say under which account this program runs."
        raise _refusal(text) from error
    salt = f"{socket.gethostname()}-{user}-gemini-cli"
    return Scrypt(salt=salt.encode(), length=32, n=16384, r=8, p=1).derive(SERVICE.encode())


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _refusal(text: str) -> ProxyError:
    return ProxyError(400, "import_failed", text, retry=False)
