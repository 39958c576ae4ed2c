"""What travels over HTTP: requests and responses with their rules, one module per noun."""
