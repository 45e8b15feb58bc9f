"""OpenAI-compatible access to Google Gemini through mitmproxy."""
