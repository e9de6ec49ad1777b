"""Tests of the audit, without a server."""
