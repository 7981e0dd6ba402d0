"""The two file formats of recorded sessions: recordings (YAML) and tapes (JSON lines)."""
