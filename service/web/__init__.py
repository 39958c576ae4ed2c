"""HTTP: the app, what every request passes, and what errors become."""
