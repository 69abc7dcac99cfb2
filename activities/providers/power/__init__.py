"""Fence devices that hold a whole site off."""
