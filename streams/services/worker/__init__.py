"""The compute workers: a parent that speaks Kafka, and a child of its own that holds the keys."""
