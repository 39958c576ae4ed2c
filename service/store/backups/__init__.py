"""Backups: a whole database in one file, made while the service runs, and restored from it."""
