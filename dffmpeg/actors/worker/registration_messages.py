"""What other actors say to the registration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Renew:
    """Register now: something changed, or the time has come."""


@dataclass(frozen=True, slots=True)
class Verify:
    """The coordinator's token came over the downlink: give it back."""

    token: str


@dataclass(frozen=True, slots=True)
class BeginDraining:
    """Register as draining from now on."""


RegistrationMessage = Renew | Verify | BeginDraining
