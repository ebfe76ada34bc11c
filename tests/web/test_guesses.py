"""How many made-up cookies an address may send."""

from __future__ import annotations

import ipaddress

import pytest

from dffmpeg.actors.coordinator.operations import TooMany
from dffmpeg.web.authentication.guesses import Guesses

HERE = ipaddress.ip_address("192.0.2.1")


def test_a_good_session_beside_gives_no_further_tries() -> None:
    guesses = Guesses(3, lambda reason: None, clock=lambda: 0.0)
    guesses.good(HERE, "good", tried=guesses.admit(HERE, "good"))
    for number in range(3):
        assert guesses.admit(HERE, f"made up {number}")
    for _ in range(10):
        tried = guesses.admit(HERE, "good")
        assert not tried
        guesses.good(HERE, "good", tried=tried)
        with pytest.raises(TooMany):
            guesses.admit(HERE, "made up")
