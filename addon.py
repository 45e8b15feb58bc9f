"""What `mitmdump -s addon.py` loads."""

from gemini_proxy.mitm.addon import GeminiProxy

addons = [GeminiProxy()]
