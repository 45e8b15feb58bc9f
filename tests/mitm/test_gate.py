"""The addon that stays: who waits for it, what it says while nobody stands behind it."""

import asyncio
from typing import cast

import pytest
from mitmproxy import connection
from mitmproxy.addons.errorcheck import ErrorCheck
from mitmproxy.test import taddons

from gemini_proxy.mitm import flows
from gemini_proxy.mitm.gate import LOADING, Gate
from gemini_proxy.mitm.stream import House

CLIENT = connection.Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0)


async def test_clients_wait_until_all_of_mitmproxy_has_started() -> None:
    """Until then some of its addons fail on a request, and each error in the log ends it."""
    check = ErrorCheck()
    with taddons.context(check):
        gate = Gate()
        client = asyncio.create_task(gate.client_connected(CLIENT))
        await gate.start()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(client), 0.05)
        check.finish()
        await asyncio.wait_for(client, 5)
        await gate.client_connected(CLIENT)


def test_while_nobody_stands_behind_it_each_request_is_a_503() -> None:
    gate = Gate()
    gate.shut()
    error = gate.closed()
    assert (error.status, error.code, error.message) == (503, "not_loaded", LOADING)
    assert gate.page(flows.unread(None), error).status_code == 503
    gate.started = True
    gate.fail("GEMINI_PORT must be a number.")
    assert "GEMINI_PORT must be a number." in gate.closed().message
    gate.open(cast(House, None))  # type: ignore[arg-type]
    gate.shut()
    assert gate.addon is None
