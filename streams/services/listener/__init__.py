"""Following chains: what blocks are new, what the log already has, what is published next."""
