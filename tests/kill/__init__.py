"""Servers killed at random moments under clients that never rest, and what must be left of it."""
