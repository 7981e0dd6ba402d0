"""The spec pipeline: an OpenAPI document in, a client package out.

One module per step, in order: `document_io` (load) → `slice` → `patches` → `transforms` → `names` → `plan` →
`generate` → `output`.  `pipeline` runs them; `plan` computes what the templates print.  Nothing here uses the
network.
"""
