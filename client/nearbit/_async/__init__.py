"""The client with `await`; `nearbit._sync` is derived from it by `sync_from_async.py`."""
