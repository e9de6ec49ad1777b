"""Tests of actors/, one file for each of its files."""
