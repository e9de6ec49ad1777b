"""Tests of where rooms are kept: one suite for every store, and one a file for what is its own."""
