"""mitmproxy's options about certificates count for the proxy's own calls too, and go before the environment."""

import pytest
from mitmproxy.test import taddons

from gemini_proxy.mitm.options import outbound_from_options
from gemini_proxy.outbound import Trust

CA, FOLDER = "ssl_verify_upstream_trusted_ca", "ssl_verify_upstream_trusted_confdir"


@pytest.mark.parametrize(
    ("options", "trust"),
    [
        ({}, Trust("/env.pem", source="SSL_CERT_FILE")),
        ({CA: "/option.pem"}, Trust("/option.pem", source=CA)),
        ({FOLDER: "/certs"}, Trust(folder="/certs", source=FOLDER)),
        ({CA: "/option.pem", FOLDER: "/certs"}, Trust("/option.pem", "/certs", source=CA)),
        ({CA: "/env.pem"}, Trust("/env.pem", source="SSL_CERT_FILE")),  # the addon sets it so
        ({CA: "/option.pem", "ssl_insecure": True}, Trust(verify=False, source="ssl_insecure")),
    ],
)
async def test_whom_the_options_trust(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, object], trust: Trust
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/env.pem")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:1")
    for name in ("SSL_CERT_DIR", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with taddons.context(options=None) as context:
        context.options.update(**options)
        outbound = outbound_from_options()
    assert outbound.trust == trust
    proxy = outbound.proxy_for("https://oauth2.googleapis.com/token")
    assert proxy is not None
    assert proxy.address == "proxy.test:1"
