"""Measurements of the services: each brings up what it needs, measures, and takes it down again."""
