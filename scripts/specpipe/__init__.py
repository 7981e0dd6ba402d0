"""The spec pipeline: an OpenAPI document in, a client package out.

One module a step, in the order in which they run: `document` (load) → `slice` → `patches` → `transforms` →
`names` → `generate` → `finish`.  `pipeline` runs them; `plan` is what `generate` computes for the templates.
Nothing here reaches for the network.
"""
