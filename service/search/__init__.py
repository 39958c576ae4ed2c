"""The use-cases that read: what is similar to a text or to a stored document."""
