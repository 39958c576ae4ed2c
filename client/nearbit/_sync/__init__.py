# Derived from nearbit/_async by client/sync_from_async.py: change that, not this.
"""The client without `await`."""
