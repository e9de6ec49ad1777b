"""Tests of the source itself: who imports whom, what it looks like, which test holds which rule."""
