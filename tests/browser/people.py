"""What people do at the dashboard."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig
from tests.cluster.kit import Cluster


def sign_in(page: Page, cluster: Cluster, name: str = "admin") -> None:
    """By id and key.

    Args:
        name: `client` or `admin`.
    """
    config = load(ClientConfig, "client", cluster.data / f"{name}.toml")
    page.goto("status#/sign-in")
    page.locator("#client-id").fill(config.client_id)
    page.locator("#key").fill(config.hmac_key)
    page.locator("form").get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("button", name="Sign out").first).to_be_visible()
