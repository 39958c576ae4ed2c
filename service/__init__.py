"""The nearbit service: hash documents to binary codes, keep them in SQL, answer "what is similar to this?"."""
