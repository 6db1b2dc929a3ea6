"""Timings of lazyop from one commit to the next, for ``asv``; see `asv.conf.json` beside them."""
