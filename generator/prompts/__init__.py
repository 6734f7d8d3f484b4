"""The prompts of listwise teachers: frozen, hashed profiles, and how texts are put into them."""
