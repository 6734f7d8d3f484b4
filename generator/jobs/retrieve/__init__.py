"""`rankgen retrieve`: queries and a collection in, candidates and their texts out."""
