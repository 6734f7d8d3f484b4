"""What a listwise teacher is told: frozen, hashed prompt profiles and how texts enter them."""
