"""The demonstration: a confidential token on the devnet, every service a process of its own."""
