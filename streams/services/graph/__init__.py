"""The graph service: the owners of shards, what they apply, what they hand to workers."""
