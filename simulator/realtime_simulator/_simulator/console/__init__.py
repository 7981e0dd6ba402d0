"""The console page: its static files, and the exports of a session."""
