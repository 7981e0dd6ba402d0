"""The console page: the static files that a browser shows, and what the page exports of a session."""
