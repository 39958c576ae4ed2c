"""What runs as a process of its own beside the API: today the job runner."""
