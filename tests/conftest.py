"""What holds for all tests: random histories are judged by what happens in them, never by time."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
