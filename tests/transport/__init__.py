"""Tests of transport/, one file for each of its files."""
