"""Fence devices that hold a whole site off."""

from activities.providers.base import Provider

from .provider import HttpPowerProvider

PROVIDERS: dict[str, type[Provider]] = {"http": HttpPowerProvider}
