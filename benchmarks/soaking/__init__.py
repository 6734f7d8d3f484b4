"""What the soak is made of: its teacher, its store, what it starts and kills, and its faults."""
