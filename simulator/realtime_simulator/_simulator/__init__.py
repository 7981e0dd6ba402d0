"""`Simulator`: its methods, the same over HTTP, its console page, and how its parts are assembled."""
