"""The processes of an installation: the servers, their children, and the job runner."""
