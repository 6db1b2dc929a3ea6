"""The same examples in every run; `--hypothesis-profile=explore` looks for new ones, and longer."""

from hypothesis import settings

settings.register_profile("same", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("same")
